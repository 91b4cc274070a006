"""`tornado.websocket` behind routers, on streams, over TLS; what outlives a loop or a handler."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import asyncio
import gc
import logging
import os
import weakref
from typing import Any

from tornado import testing
from tornado.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.routing import PathMatches, Rule, RuleRouter
from tornado.tcpserver import TCPServer
from tornado.testing import bind_unused_port, gen_test
from tornado.web import Application
from tornado.websocket import websocket_connect

from .websocket_peer import Base, Recorder


class Http1Server(TCPServer):
    """Serves an application connection by connection, as programs with a TCPServer do."""

    def __init__(self, application: Any) -> None:
        super().__init__()
        self.application = application

    async def handle_stream(self, stream: Any, address: Any) -> None:
        HTTP1ServerConnection(stream, HTTP1ConnectionParameters()).start_serving(self.application)


class ServersTest(Base):
    async def talk(self, server: Any, scheme: str = "ws") -> None:
        sock, port = bind_unused_port()
        server.add_sockets([sock])
        request = HTTPRequest(f"{scheme}://127.0.0.1:{port}/deflating", validate_cert=False)
        client = await websocket_connect(request, compression_options={})
        for size in (1, 900):
            await client.write_message("x" * size)
            assert await client.read_message() == "x" * size
        client.close(4000, "done")
        assert await client.read_message() is None
        assert (await self.settle(Recorder.made[-1]))[-1] == ("close", 4000, "done")
        server.stop()

    @gen_test
    async def test_behind_a_router(self) -> None:
        router = RuleRouter([Rule(PathMatches("/deflating"), self._app)])
        await self.talk(HTTPServer(router))

    @gen_test
    async def test_on_an_iostream(self) -> None:
        await self.talk(Http1Server(self._app))

    @gen_test
    async def test_tls(self) -> None:
        folder = os.path.join(os.path.dirname(testing.__file__), "test")
        options = {
            "certfile": os.path.join(folder, "test.crt"),
            "keyfile": os.path.join(folder, "test.key"),
        }
        await self.talk(HTTPServer(self._app, ssl_options=options), "wss")
        await self.talk_over_tls_streams(options)

    async def talk_over_tls_streams(self, options: dict[str, str]) -> None:
        server = Http1Server(self._app)
        server.ssl_options = options
        await self.talk(server, "wss")


def test_survives_a_loop_that_is_closed() -> None:
    """Sockets still open when their loop ends are closed with it, and nothing is logged."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        loop = IOLoop(make_current=False)

        async def main() -> None:
            server = Application([("/", Recorder)]).listen(0, "127.0.0.1")
            port = next(iter(server._sockets.values())).getsockname()[1]  # type: ignore[attr-defined]
            client = await websocket_connect(f"ws://127.0.0.1:{port}/")
            await client.write_message("x")
            assert await client.read_message() == "x"
            server.stop()

        loop.run_sync(main)
        loop.close()
    finally:
        logging.getLogger().removeHandler(handler)
    assert [record.getMessage() for record in records] == []


class CyclesTest(Base):
    @gen_test(timeout=30)  # collecting the garbage of a whole run of tests takes its time
    async def test_nothing_waits_for_the_collector(self) -> None:
        for path, word in [("/", "x"), ("/", "slow"), ("/deflating", "x"), ("/slow", "x")]:
            client = await self.connect(path, compression_options={})
            await client.write_message(word)
            assert await client.read_message() == word
            reference = weakref.ref(Recorder.made.pop())
            gc.collect()
            gc.disable()
            try:
                client.close()
                assert await client.read_message() is None
                for _ in range(20):
                    await asyncio.sleep(0.01)
                assert reference() is None, path
            finally:
                gc.enable()
