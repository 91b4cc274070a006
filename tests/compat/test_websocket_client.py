"""`tornado.websocket.websocket_connect` and its connections."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import asyncio
import socket
from typing import Any

import pytest
from tornado import gen
from tornado.httpclient import HTTPError, HTTPRequest
from tornado.testing import gen_test
from tornado.websocket import WebSocketClosedError, WebSocketError, websocket_connect

from .websocket_peer import Base, Recorder


class ClientTest(Base):
    @gen_test
    async def test_callbacks(self) -> None:
        got: list[Any] = []
        done: list[Any] = []
        client = await self.connect(
            on_message_callback=got.append, callback=lambda future: done.append(future)
        )
        await client.write_message("one")
        await client.write_message(b"two", binary=True)
        await client.write_message({"three": 3})
        client.close(1000, "enough")
        while None not in got:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        assert got == ["one", b"two", '{"three": 3}', None]
        assert done[0].result() is client
        assert (client.close_code, client.close_reason) == (1000, None)
        with pytest.raises(WebSocketClosedError):
            client.write_message("late")
        with pytest.raises(WebSocketClosedError):
            client.ping()

    @gen_test
    async def test_errors(self) -> None:
        with pytest.raises(HTTPError) as caught:
            await self.connect("/nothing")
        assert caught.value.code == 404
        with pytest.raises(KeyError):
            websocket_connect("gopher://a.test")
        request = HTTPRequest(
            f"ws://127.0.0.1:{self.get_http_port()}/", headers={"Origin": "http://b.test"}
        )
        with pytest.raises(HTTPError) as caught:
            await websocket_connect(request)
        assert caught.value.code == 403

    @gen_test
    async def test_servers_that_lie(self) -> None:
        answers = [
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: x\r\n\r\n",
        ]
        for answer in answers:

            async def serve(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: str = answer
            ) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer.encode())
                await writer.drain()
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(WebSocketError):
                await websocket_connect(f"ws://127.0.0.1:{port}/")
            server.close()
            await server.wait_closed()

    @gen_test
    async def test_a_server_that_says_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            request = HTTPRequest(
                f"ws://127.0.0.1:{listener.getsockname()[1]}/", request_timeout=0.1
            )
            with pytest.raises(HTTPError, match="Timeout"):
                await websocket_connect(request)

    @gen_test
    async def test_given_up_while_connecting(self) -> None:
        future = websocket_connect(f"ws://127.0.0.1:{self.get_http_port()}/")
        future.cancel()
        while not Recorder.made:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await self.settle(Recorder.made[0])

    @gen_test
    async def test_coroutines_of_tornado(self) -> None:
        @gen.coroutine
        def talk() -> Any:
            client = yield self.connect()
            yield client.write_message("hello")
            answer = yield client.read_message()
            client.close()
            raise gen.Return(answer)

        assert (yield_ := await talk()) == "hello", yield_

    @gen_test
    async def test_back_pressure_of_read_message(self) -> None:
        client = await self.connect()
        for number in range(100):
            client.write_message(str(number))
        for number in range(100):
            assert await client.read_message() == str(number)
        client.close()
        assert await client.read_message() is None
