"""The client under test: runs all cases of a fuzzing server. `echo_client.py native|compat URL`."""

from __future__ import annotations

import importlib
import logging
import sys

LIMIT = 64 * 1024 * 1024


def native(url: str, agent: str) -> None:
    import trio

    from tornado_trio.client.websocket import open_websocket
    from tornado_trio.websocket import (
        ConnectionClosed,
        DeflateOptions,
        HandshakeError,
        WebSocketOptions,
    )

    options = WebSocketOptions(
        max_message_size=LIMIT,
        ping_interval=None,
        close_timeout=5,
        deflate=DeflateOptions(window_bits=15, mem_level=8, min_size=0),
    )

    async def case(number: int) -> None:
        address = f"{url}/runCase?case={number}&agent={agent}"
        try:
            async with open_websocket(address, options=options) as ws:
                async for message in ws:
                    await ws.send(message)
        except (ConnectionClosed, HandshakeError):
            return  # cases that end so; the report judges

    async def main() -> None:
        async with open_websocket(f"{url}/getCaseCount", options=options) as ws:
            count = int(await ws.receive())
        for number in range(1, count + 1):
            with trio.move_on_after(120):
                await case(number)
        async with open_websocket(f"{url}/updateReports?agent={agent}", options=options) as ws:
            await ws.wait_closed()

    trio.run(main)


def compat(url: str, agent: str) -> None:
    importlib.import_module("compat")  # makes `tornado` ours
    from tornado.ioloop import IOLoop
    from tornado.websocket import WebSocketClosedError, WebSocketError, websocket_connect

    async def connect(path: str):  # type: ignore[no-untyped-def]
        return await websocket_connect(
            f"{url}/{path}", compression_options={}, max_message_size=LIMIT
        )

    async def case(number: int) -> None:
        try:
            ws = await connect(f"runCase?case={number}&agent={agent}")
            while (message := await ws.read_message()) is not None:
                await ws.write_message(message, binary=isinstance(message, bytes))
        except (WebSocketClosedError, WebSocketError):
            return  # cases that end so; the report judges

    async def main() -> None:
        ws = await connect("getCaseCount")
        count = int(await ws.read_message())
        for number in range(1, count + 1):
            await case(number)
        ws = await connect(f"updateReports?agent={agent}")
        while await ws.read_message() is not None:
            pass

    IOLoop.current().run_sync(main)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    {"native": native, "compat": compat}[sys.argv[1]](sys.argv[2], sys.argv[3])
