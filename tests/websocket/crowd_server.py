"""The server of `test_ws_crowd.py`: `crowd_server.py native|compat PORT`.

Echoes on /echo; /counts tells how many sockets were opened, and how many ends were told.
"""

from __future__ import annotations

import importlib
import json
import sys

counts = {"opened": 0, "closed": 0}


def native(port: int) -> None:
    import trio

    from tornado_trio.exchange import Exchange
    from tornado_trio.server import serve
    from tornado_trio.web import Application, RequestHandler
    from tornado_trio.websocket import WebSocketOptions, accept

    class Counts(RequestHandler):
        def get(self) -> None:
            self.write(counts)

    pages = Application([("/counts", Counts)])

    async def app(exchange: Exchange) -> None:
        if exchange.start_line.path != "/echo":
            await pages(exchange)
            return
        async with accept(exchange, options=WebSocketOptions(ping_interval=None)) as ws:
            counts["opened"] += 1
            try:
                async for message in ws:
                    await ws.send(message)
            finally:
                counts["closed"] += 1

    trio.run(serve, app, port)


def compat(port: int) -> None:
    importlib.import_module("compat")  # makes `tornado` ours
    from tornado.ioloop import IOLoop
    from tornado.web import Application, RequestHandler
    from tornado.websocket import WebSocketHandler

    class Counts(RequestHandler):
        def get(self) -> None:
            self.write(json.dumps(counts))

    class Echo(WebSocketHandler):
        def open(self) -> None:
            counts["opened"] += 1

        def on_message(self, message: str | bytes) -> None:
            self.write_message(message)

        def on_close(self) -> None:
            counts["closed"] += 1

    Application([("/echo", Echo), ("/counts", Counts)]).listen(port, "127.0.0.1")
    IOLoop.current().start()


if __name__ == "__main__":
    {"native": native, "compat": compat}[sys.argv[1]](int(sys.argv[2]))
