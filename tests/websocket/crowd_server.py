"""The server of `test_ws_crowd.py` and `test_ws_ends.py`: `crowd_server.py native|compat PORT`.

/echo echoes; /alive does, too, and pings. The messages "patient" and "hasty" ask for more than
anybody reads, awaited and not awaited; "close" for a close frame. /counts tells how many sockets
were opened, how many ends were told, and with which codes.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from typing import Any

LIMIT = 100_000
PING_SECONDS = 0.3
PIECE, PIECES = b"x" * 65536, 2000
counts: dict[str, Any] = {"opened": 0, "closed": 0, "codes": []}


def ended(code: int | None) -> None:
    counts["closed"] += 1
    counts["codes"] = [*counts["codes"][-9:], code]


def native(port: int) -> None:
    import trio

    from tornado_trio.exchange import Exchange
    from tornado_trio.server import serve
    from tornado_trio.web import Application, RequestHandler
    from tornado_trio.websocket import ConnectionClosed, WebSocket, WebSocketOptions, accept

    class Counts(RequestHandler):
        def get(self) -> None:
            self.write(counts)

    pages = Application([("/counts", Counts)])
    echo = WebSocketOptions(ping_interval=None, max_message_size=LIMIT)
    alive = WebSocketOptions(
        ping_interval=PING_SECONDS, ping_timeout=PING_SECONDS, max_message_size=LIMIT
    )

    async def talk(ws: WebSocket) -> None:
        async for message in ws:
            if message == "close":
                await ws.close(4001, "asked for")
            elif message == "patient":
                for _ in range(PIECES):
                    await ws.send(PIECE)
            elif message == "hasty":
                for _ in range(PIECES):
                    ws.send_nowait(PIECE)
            else:
                await ws.send(message)

    async def app(exchange: Exchange) -> None:
        path = exchange.start_line.path
        if path == "/counts":
            await pages(exchange)
            return
        async with accept(exchange, options=alive if path == "/alive" else echo) as ws:
            counts["opened"] += 1
            try:
                with contextlib.suppress(ConnectionClosed):
                    await talk(ws)
            finally:
                ended(ws.close_code)

    trio.run(serve, app, port)


def compat(port: int) -> None:
    importlib.import_module("compat")  # makes `tornado` ours
    from tornado.ioloop import IOLoop
    from tornado.web import Application, RequestHandler
    from tornado.websocket import WebSocketClosedError, WebSocketHandler

    class Counts(RequestHandler):
        def get(self) -> None:
            self.write(json.dumps(counts))

    class Echo(WebSocketHandler):
        def open(self) -> None:
            counts["opened"] += 1

        def on_message(self, message: str | bytes) -> Any:
            if message == "close":
                self.close(4001, "asked for")
            elif message in ("patient", "hasty"):
                return self.flood(message == "patient")
            else:
                self.write_message(message, binary=isinstance(message, bytes))
            return None

        async def flood(self, patient: bool) -> None:
            with contextlib.suppress(WebSocketClosedError):
                for _ in range(PIECES):
                    written = self.write_message(PIECE, binary=True)
                    if patient:
                        await written

        def on_close(self) -> None:
            ended(self.close_code)

    class Alive(Echo):
        ping_interval = ping_timeout = PING_SECONDS

    Application(
        [("/echo", Echo), ("/alive", Alive), ("/counts", Counts)],
        websocket_max_message_size=LIMIT,
        websocket_max_buffer_size=1024 * 1024,
    ).listen(port, "127.0.0.1")
    IOLoop.current().start()


if __name__ == "__main__":
    {"native": native, "compat": compat}[sys.argv[1]](int(sys.argv[2]))
