"""The server under test: echoes every message. `echo_server.py native|compat PORT`."""

from __future__ import annotations

import importlib
import logging
import sys

LIMIT = 64 * 1024 * 1024  # section 9 sends messages of 16 MiB


def native(port: int) -> None:
    import trio

    from tornado_trio.exchange import Exchange
    from tornado_trio.server import serve
    from tornado_trio.websocket import DeflateOptions, HandshakeError, WebSocketOptions, accept

    options = WebSocketOptions(
        max_message_size=LIMIT,
        ping_interval=None,
        deflate=DeflateOptions(window_bits=15, mem_level=8, min_size=0),
    )

    async def echo(exchange: Exchange) -> None:
        try:
            async with accept(exchange, options=options) as ws:
                async for message in ws:
                    await ws.send(message)
        except HandshakeError:
            return

    async def main() -> None:
        await serve(echo, port, host="127.0.0.1")

    trio.run(main)


def compat(port: int) -> None:
    importlib.import_module("compat")  # makes `tornado` ours
    import tornado.ioloop
    import tornado.web
    import tornado.websocket

    class Echo(tornado.websocket.WebSocketHandler):
        def get_compression_options(self) -> dict[str, int]:
            return {}

        def on_message(self, message: str | bytes) -> None:
            self.write_message(message, binary=isinstance(message, bytes))

    app = tornado.web.Application([("/.*", Echo)], websocket_max_message_size=LIMIT)
    app.listen(port, "127.0.0.1")
    tornado.ioloop.IOLoop.current().start()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    {"native": native, "compat": compat}[sys.argv[1]](int(sys.argv[2]))
