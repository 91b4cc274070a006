"""`websocket_connect` and `read_message` as they were called until Tornado 5."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import pytest
from tornado import testing, web
from tornado.websocket import WebSocketHandler, websocket_connect

pytestmark = pytest.mark.filterwarnings("ignore:.*gone since Tornado 6")


class Echo(WebSocketHandler):
    def on_message(self, message):
        self.write_message(message)


class CallbackTest(testing.AsyncHTTPTestCase):
    def get_app(self):
        return web.Application([("/", Echo)])

    def echo(self, connect):
        """Connect as `connect(url, callback)` says; send and read by callbacks."""
        connect(f"ws://127.0.0.1:{self.get_http_port()}/", self.stop)
        connection = self.wait().result()
        connection.write_message("hello")
        connection.read_message(callback=self.stop)
        assert self.wait().result() == "hello"
        connection.close()
        connection.read_message(self.stop)
        assert self.wait().result() is None

    def test_arguments(self):
        for connect in (
            lambda url, done: websocket_connect(url, callback=done),
            lambda url, done: websocket_connect(url, callback=done, io_loop=self.io_loop),
            lambda url, done: websocket_connect(url, self.io_loop, done),
            lambda url, done: websocket_connect(url, None, done),
            lambda url, done: websocket_connect(url, self.io_loop, done, 5),
            lambda url, done: websocket_connect(url, callback=done, connect_timeout=5),
        ):
            self.echo(connect)

    def test_messages_by_callback(self):
        messages = []

        def connect(url, done):
            websocket_connect(url, self.io_loop, done, None, messages.append)

        connect(f"ws://127.0.0.1:{self.get_http_port()}/", self.stop)
        connection = self.wait().result()
        connection.write_message("hello")
        self.io_loop.call_later(0.05, self.stop)
        self.wait()
        assert messages == ["hello"]
        connection.close()
