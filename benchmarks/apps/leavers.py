"""Clients that leave while a slow handler works for them, per second of processor time.

Counted until each client's descriptor has been given back, though its handler runs on.
"""

import asyncio
import gc
import logging
import os
import socket
import time

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

CLIENTS = 500
SPARE = 20  # that the process may open for itself meanwhile
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Slow(RequestHandler):
    begun = 0
    over = None

    async def get(self):
        Slow.begun += 1
        await Slow.over.wait()


def leave(address, count):
    for _ in range(count):
        with socket.create_connection(address) as client:
            client.sendall(REQUEST)


async def leavers(address, count):
    """Have so many come and go; wait until the server is rid of them."""
    before = len(os.listdir("/proc/self/fd"))
    begun = Slow.begun + count
    await asyncio.get_running_loop().run_in_executor(None, leave, address, count)
    deadline = time.monotonic() + 20
    while Slow.begun < begun or len(os.listdir("/proc/self/fd")) > before + SPARE:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(os.listdir('/proc/self/fd')) - before} descriptors are held")
        await asyncio.sleep(0.005)


async def main():
    logging.getLogger("tornado").setLevel(logging.CRITICAL)
    Slow.over = asyncio.Event()
    server = HTTPServer(Application([("/", Slow)]))
    sockets = bind_sockets(0, "127.0.0.1", backlog=1024)
    server.add_sockets(sockets)
    address = sockets[0].getsockname()
    await leavers(address, 50)
    Slow.over.set()
    Slow.over = asyncio.Event()
    gc.collect()  # or what the imports made has its collection among the clients of one side
    start = time.process_time()
    await leavers(address, CLIENTS)
    print(CLIENTS / (time.process_time() - start))
    Slow.over.set()
    await asyncio.sleep(0.1)
    server.stop()


if __name__ == "__main__":
    asyncio.run(main())
