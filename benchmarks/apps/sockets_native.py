"""The server of sockets.py, natively."""

from __future__ import annotations

import sys

import trio

from tornado_trio.exchange import Exchange
from tornado_trio.server import serve
from tornado_trio.websocket import (
    DeflateOptions,
    WebSocket,
    WebSocketOptions,
    accept,
    broadcast,
)

# Neither side pings unless asked to, and compression is what Tornado's is.
PLAIN = WebSocketOptions(deflate=None, ping_interval=None)
DEFLATE = WebSocketOptions(
    deflate=DeflateOptions(window_bits=15, mem_level=8, min_size=0), ping_interval=None
)
peers: set[WebSocket] = set()


async def app(exchange: Exchange) -> None:
    path = exchange.start_line.path
    async with accept(exchange, options=DEFLATE if path == "/deflate" else PLAIN) as ws:
        if path == "/room":
            peers.add(ws)
        try:
            async for message in ws:
                if path == "/room":
                    broadcast(peers, message)
                else:
                    await ws.send(message)
        finally:
            peers.discard(ws)


async def main() -> None:
    await serve(app, int(sys.argv[1]), host="127.0.0.1")


if __name__ == "__main__":
    trio.run(main)
