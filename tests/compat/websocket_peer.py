"""What tests of `tornado.websocket` share: handlers that write down, and a raw client."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import asyncio
import contextvars
import socket
import struct
import time
from typing import Any

import trio
from tornado.ioloop import IOLoop
from tornado.testing import AsyncHTTPTestCase
from tornado.web import Application
from tornado.websocket import (
    WebSocketClosedError,
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
        elif isinstance(message, str) and message.startswith("nap"):
            await asyncio.sleep(0.1)
            self.events.append(message)
            return
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


class SlowToClose(Recorder):
    async def on_close(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0.01)
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
            ("/slow_to_close", SlowToClose),
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
