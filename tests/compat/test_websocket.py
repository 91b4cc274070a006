"""`tornado.websocket`: ends, busy handlers, protocol errors, keepalive, the client."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import asyncio
import contextvars
import gc
import logging
import os
import socket
import struct
import time
import weakref
from typing import Any

import pytest
import trio
from tornado import gen, testing
from tornado.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.httpclient import HTTPError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.routing import PathMatches, Rule, RuleRouter
from tornado.tcpserver import TCPServer
from tornado.testing import AsyncHTTPTestCase, ExpectLog, bind_unused_port, gen_test
from tornado.web import Application
from tornado.websocket import (
    WebSocketClosedError,
    WebSocketError,
    WebSocketHandler,
    WebSocketProtocol13,
    websocket_connect,
)


KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="
var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")


def frame(opcode: int, payload: bytes = b"", fin: bool = True, mask: bool = True) -> bytes:
    head = bytes((opcode | (0x80 if fin else 0),))
    flag = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes((flag | len(payload),))
    else:
        head += bytes((flag | 126,)) + struct.pack("!H", len(payload))
    return head + (b"\0\0\0\0" if mask else b"") + payload


class Recorder(WebSocketHandler):
    """Writes down what happens to it."""

    made: list["Recorder"] = []

    def initialize(self) -> None:
        self.events: list[Any] = []
        self.made.append(self)

    def prepare(self) -> None:
        var.set("of the request")

    def open(self, *args: str) -> None:
        self.events.append("open")

    def on_close(self) -> None:
        self.events.append(("close", self.close_code, self.close_reason))

    async def on_message(self, message: Any) -> None:
        if message == "error":
            raise ZeroDivisionError
        if message == "trio":
            await trio.sleep(0.01)
        elif message == "asyncio":
            await asyncio.sleep(0.01)
        elif message == "context":
            message = var.get()
        elif message == "slow":
            await asyncio.sleep(0.3)
        elif message == "close":
            self.close(4001, "asked for")
            return
        elif message == "flood":
            self.events.append(await self.flood())
            return
        self.events.append(message)
        self.write_message(message, binary=isinstance(message, bytes))

    async def flood(self) -> str:
        for _ in range(1000):
            try:
                self.write_message(b"x" * 1_000_000, binary=True)
            except WebSocketClosedError:
                return "closed"
        return "unbounded"


class Lasting(Recorder):
    async def get(self, *args: str) -> None:
        await super().get(*args)
        self.events.append("get returned")


class Shouting13(WebSocketProtocol13):
    def write_message(self, message: Any, binary: bool = False) -> Any:
        return super().write_message(message.upper(), binary)


class Shouting(Recorder):
    def get_websocket_protocol(self) -> Any:
        protocol = super().get_websocket_protocol()
        assert protocol is not None
        return Shouting13(self, False, protocol.params)


class PingingTask13(WebSocketProtocol13):
    def start_pinging(self) -> None:
        IOLoop.current().spawn_callback(self.periodic_ping)


class PingingTask(Recorder):
    def get_websocket_protocol(self) -> Any:
        protocol = super().get_websocket_protocol()
        assert protocol is not None
        return PingingTask13(self, False, protocol.params)


class Deflating(Recorder):
    def get_compression_options(self) -> dict[str, Any]:
        return {"compression_level": 9, "mem_level": 5}


class FailsToOpen(Recorder):
    def open(self) -> None:
        raise ZeroDivisionError


class FailsToClose(Recorder):
    def on_close(self) -> None:
        super().on_close()
        raise ZeroDivisionError


class SlowOpen(Recorder):
    async def open(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0.2)
        self.events.append("open")


class Peer:
    """A raw client."""

    made: list["Peer"] = []

    def __init__(self, port: int) -> None:
        self.made.append(self)
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.buffer = b""

    async def shake(self, path: str = "/", start: str = "HTTP/1.1", **fields: str) -> str:
        lines = {
            "Host": "127.0.0.1",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": KEY,
            **{name.replace("_", "-"): value for name, value in fields.items()},
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        self.send(f"GET {path} {start}\r\n{head}\r\n".encode())
        while b"\r\n\r\n" not in self.buffer:
            await self.more()
        answer, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return answer.decode()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    async def more(self) -> bool:
        loop = asyncio.get_running_loop()
        data = await asyncio.wait_for(loop.sock_recv(self.sock, 65536), 3)
        self.buffer += data
        return bool(data)

    async def frame(self) -> tuple[int, bytes] | None:
        """The next frame; None at the end of the stream."""
        while len(self.buffer) < 2 or len(self.buffer) < 2 + self.buffer[1]:
            if not await self.more():
                return None
        size = self.buffer[1]
        assert size < 126
        result = (self.buffer[0] & 15, self.buffer[2 : 2 + size])
        self.buffer = self.buffer[2 + size :]
        return result

    async def close_code(self) -> int:
        """The code of the close frame, which must be the last thing sent."""
        answer = await self.frame()
        assert answer is not None and answer[0] == 8, answer
        return int.from_bytes(answer[1][:2], "big")

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Base(AsyncHTTPTestCase):
    settings: dict[str, Any] = {"websocket_max_buffer_size": 20_000_000}

    def get_app(self) -> Application:
        Recorder.made.clear()
        routes = [
            ("/", Recorder),
            ("/lasting", Lasting),
            ("/shouting", Shouting),
            ("/deflating", Deflating),
            ("/fails", FailsToOpen),
            ("/fails_to_close", FailsToClose),
            ("/slow", SlowOpen),
            ("/pinging_task", PingingTask),
        ]
        return Application(routes, websocket_max_message_size=1000, **self.settings)

    def tearDown(self) -> None:
        while Peer.made:
            Peer.made.pop().sock.close()
        Recorder.made.clear()
        super().tearDown()

    async def peer(self, path: str = "/", **fields: str) -> tuple[Peer, Recorder]:
        peer = Peer(self.get_http_port())
        answer = await peer.shake(path, **fields)
        assert answer.startswith("HTTP/1.1 101"), answer
        return peer, Recorder.made[-1]

    async def settle(self, handler: Recorder, seconds: float = 3) -> list[Any]:
        end = time.monotonic() + seconds
        while not any(isinstance(event, tuple) for event in handler.events):
            assert time.monotonic() < end, handler.events
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert sum(isinstance(event, tuple) for event in handler.events) == 1
        return handler.events

    async def connect(self, path: str = "/", **kwargs: Any) -> Any:
        return await websocket_connect(f"ws://127.0.0.1:{self.get_http_port()}{path}", **kwargs)


class EndsTest(Base):
    """`on_close` is called once, with what the peer said."""

    @gen_test
    async def test_the_client_closes(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(8, b"\x0f\xa1bye"))
        assert await peer.frame() == (8, b"\x0f\xa1")
        assert await peer.frame() is None
        assert await self.settle(handler) == ["open", ("close", 4001, "bye")]

    @gen_test
    async def test_without_a_code(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(8))
        assert await peer.frame() == (8, b"")
        assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_the_server_closes(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(1, b"close"))
        assert await peer.frame() == (8, b"\x0f\xa1asked for")
        with pytest.raises(WebSocketClosedError):
            handler.write_message("late")
        with pytest.raises(WebSocketClosedError):
            handler.ping()
        handler.close()
        peer.send(frame(8, b"\x0f\xa1"))
        assert await peer.frame() is None
        assert (await self.settle(handler))[-1] == ("close", 4001, None)

    @gen_test
    async def test_both_at_once(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(8, b"\x03\xe8"))
        handler.close(1001)
        assert await peer.frame() == (8, b"\x03\xe9")
        assert await peer.frame() is None
        assert await self.settle(handler) == ["open", ("close", 1000, None)]

    @gen_test
    async def test_gone_without_a_word(self) -> None:
        for how in ("close", "reset"):
            peer, handler = await self.peer()
            (peer.sock.close if how == "close" else peer.reset)()
            assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_error_in_on_message(self) -> None:
        peer, handler = await self.peer()
        with ExpectLog("tornado.application", "Uncaught exception"):
            peer.send(frame(1, b"error"))
            assert await peer.close_code() == 1011
            assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_error_in_open(self) -> None:
        with ExpectLog("tornado.application", "Uncaught exception"):
            peer, handler = await self.peer("/fails")
            assert await peer.frame() is None
        assert handler.events == []

    @gen_test
    async def test_error_in_on_close(self) -> None:
        bystander, _ = await self.peer()
        with ExpectLog("tornado.application", "Uncaught exception"):
            peer, handler = await self.peer("/fails_to_close")
            peer.send(frame(8, b"\x03\xe8"))
            assert await peer.close_code() == 1000
            await self.settle(handler)
        bystander.send(frame(1, b"still here"))
        assert await bystander.frame() == (1, b"still here")

    @gen_test
    async def test_program_closes_the_stream(self) -> None:
        peer, handler = await self.peer()
        assert handler.ws_connection is not None
        stream = handler.ws_connection.stream
        assert not stream.closed() and stream.fileno() == stream.socket.fileno()
        stream.close()
        assert stream.closed()
        assert await self.settle(handler) == ["open", ("close", None, None)]
        assert await peer.frame() is None

    @gen_test
    async def test_server_closes_all_connections(self) -> None:
        _, handler = await self.peer()
        await self.http_server.close_all_connections()
        assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_a_get_of_the_programs_own_lasts(self) -> None:
        peer, handler = await self.peer("/lasting")
        peer.send(frame(1, b"x"))
        assert await peer.frame() == (1, b"x")
        assert "get returned" not in handler.events
        peer.send(frame(8))
        events = await self.settle(handler)
        assert events[-2:] == [("close", None, None), "get returned"]


class BusyTest(Base):
    """What happens while `on_message` takes its time."""

    @gen_test
    async def test_awaiting_either_library(self) -> None:
        peer, _ = await self.peer()
        for word in (b"trio", b"asyncio"):
            peer.send(frame(1, word))
            assert await peer.frame() == (1, word)
        peer.send(frame(1, b"context"))
        assert await peer.frame() == (1, b"of the request")

    @gen_test
    async def test_pings_are_answered_and_order_is_kept(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(1, b"slow"))
        await asyncio.sleep(0.05)
        peer.send(frame(1, b"second") + frame(9, b"ping") + frame(1, b"thi", False))
        assert await peer.frame() == (10, b"ping")
        peer.send(frame(0, b"rd") + frame(8, b"\x03\xe8"))
        for word in (b"slow", b"second", b"third"):
            assert await peer.frame() == (1, word)
        assert await peer.close_code() == 1000
        events = await self.settle(handler)
        assert events == ["open", "slow", "second", "third", ("close", 1000, None)]

    @gen_test
    async def test_the_peers_leave_is_told_at_once(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(1, b"slow"))
        await asyncio.sleep(0.05)
        peer.reset()
        await asyncio.sleep(0.1)
        assert handler.events == ["open", ("close", None, None)]
        await asyncio.sleep(0.3)
        assert "slow" in handler.events  # it ran to its end; its answer failed
        assert len(handler.events) == 3

    @gen_test
    async def test_mistakes_wait_their_turn(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(1, b"slow"))
        await asyncio.sleep(0.05)
        peer.send(frame(1, b"next") + frame(3))
        for word in (b"slow", b"next"):
            assert await peer.frame() == (1, word)
        assert await peer.close_code() == 1002
        await self.settle(handler)

    @gen_test
    async def test_a_flood_is_not_read_ahead_without_bound(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(1, b"slow"))
        await asyncio.sleep(0.02)
        message = frame(1, b"x" * 900)
        peer.sock.settimeout(0.05)
        sent = 0
        with pytest.raises(TimeoutError):
            for _ in range(20_000):
                peer.sock.sendall(message)
                sent += len(message)
        assert sent < 12_000_000  # what the kernel's buffers hold, and 256 KiB
        assert handler.ws_connection is not None
        assert len(handler.ws_connection._look_ahead.events) <= 32  # type: ignore[attr-defined]
        peer.reset()
        with ExpectLog("tornado.application", ".*", required=False):
            await self.settle(handler)

    @gen_test
    async def test_messages_wait_for_open(self) -> None:
        peer, handler = await self.peer("/slow")
        peer.send(frame(1, b"early") + frame(9))
        assert await peer.frame() == (10, b"")
        assert await peer.frame() == (1, b"early")
        assert handler.events == ["open", "early"]

    @gen_test
    async def test_a_peer_that_does_not_read(self) -> None:
        peer, handler = await self.peer()
        with ExpectLog("tornado.general", "WebSocket closed: the peer does not read"):
            peer.send(frame(1, b"flood"))
            await self.settle(handler)
        await asyncio.sleep(0.05)
        assert "closed" in handler.events


class ProtocolTest(Base):
    @gen_test
    async def test_what_peers_do_wrong(self) -> None:
        for data, code in [
            (frame(1, b"x", mask=False), 1002),
            (frame(8, b"\x03\xec"), 1002),
            (frame(8, b"\x03"), 1002),
            (frame(1, b"\xff"), 1007),
            (frame(1, b"\xed\xa0\x80", False), 1007),
            (frame(1, b"x" * 1001), 1009),
            (b"\x81\xff" + b"\0\0\0\0\x7f\0\0\0", 1009),
            (frame(3), 1002),
            (frame(0, b"x"), 1002),
        ]:
            peer, handler = await self.peer()
            peer.send(data)
            assert await peer.close_code() == code, data
            peer.sock.close()
            assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_limit_applies_to_inflated_messages(self) -> None:
        client = await self.connect("/deflating", compression_options={})
        await client.write_message("a" * 1000)
        assert await client.read_message() == "a" * 1000
        await client.write_message("a" * 1001)
        assert await client.read_message() is None
        assert client.close_code == 1009

    @gen_test
    async def test_refused_upgrades(self) -> None:
        for fields, status in [
            ({"start": "HTTP/1.0"}, 400),
            ({"Upgrade": "h2c"}, 400),
            ({"Connection": "close"}, 400),
            ({"Sec_WebSocket_Key": ""}, 400),
            ({"Sec_WebSocket_Version": "8"}, 426),
            ({"Origin": "http://elsewhere.test"}, 403),
            ({"Origin": "http://["}, 403),
        ]:
            peer = Peer(self.get_http_port())
            answer = await peer.shake(**fields)
            assert int(answer.split()[1]) == status, (fields, answer)
            peer.sock.close()

    @gen_test
    async def test_extension_offers(self) -> None:
        offer = "permessage-deflate; "
        for parameters, accepted in [
            ("client_no_context_takeover", True),
            ("client_max_window_bits", True),
            ("server_max_window_bits=10", True),
            ("server_max_window_bits=99", False),
            ("server_max_window_bits", False),
            ("client_max_window_bits=x", False),
            ("whatever=1", False),
        ]:
            peer = Peer(self.get_http_port())
            answer = await peer.shake("/deflating", Sec_WebSocket_Extensions=offer + parameters)
            assert answer.startswith("HTTP/1.1 101"), parameters
            assert ("permessage-deflate" in answer) is accepted, parameters
            peer.sock.close()
        peer = Peer(self.get_http_port())
        answer = await peer.shake("/deflating", Sec_WebSocket_Extensions="permessage-deflate; =")
        assert answer.startswith("HTTP/1.1 400")
        peer.sock.close()

    @gen_test
    async def test_a_protocol_class_of_the_programs_own(self) -> None:
        peer, _ = await self.peer("/shouting")
        peer.send(frame(1, b"hush"))
        assert await peer.frame() == (1, b"HUSH")

    @gen_test
    async def test_limits_of_control_frames(self) -> None:
        _, handler = await self.peer()
        with pytest.raises(ValueError):
            handler.ping(b"x" * 126)
        with pytest.raises(ValueError):
            handler.close(1000, "x" * 124)
        assert not handler.ws_connection.is_closing()  # type: ignore[union-attr]

    @gen_test
    async def test_pongs_do_not_pile_up(self) -> None:
        peer, handler = await self.peer()
        handler.write_message(b"x" * 8_000_000, binary=True)
        for number in range(2000):
            peer.send(frame(9, b"%04d" % number))
        await asyncio.sleep(0.2)
        assert handler.ws_connection._native.unsent < 8_001_000  # type: ignore[union-attr]
        peer.reset()
        await self.settle(handler)


class KeepaliveTest(Base):
    settings = {"websocket_ping_interval": 0.1, "websocket_ping_timeout": 0.05}

    @gen_test
    async def test_a_peer_that_vanished(self) -> None:
        for path in ("/", "/pinging_task"):
            peer, handler = await self.peer(path)
            assert await peer.frame() == (9, b"")
            assert await peer.frame() == (8, b"\x03\xe8ping timed out")
            assert handler.ws_connection.is_closing()  # type: ignore[union-attr]
            peer.sock.close()
            assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_a_peer_that_answers(self) -> None:
        for path in ("/", "/pinging_task"):
            peer, handler = await self.peer(path)
            for _ in range(4):
                assert await peer.frame() == (9, b"")
                peer.send(frame(10))
            assert handler.events == ["open"]
            handler.close()
            assert await peer.frame() == (8, b"")
            peer.send(frame(8))
            assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_a_busy_handler_is_no_reason_to_hang_up(self) -> None:
        client = await self.connect()
        await client.write_message("slow")
        assert await client.read_message() == "slow"
        await asyncio.sleep(0.3)
        assert not client.protocol.is_closing()
        client.close()


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
    @gen_test
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
