"""Messages echoed by a TCPServer: `streams.py SIZE [tls]` prints messages per
second of the server's processor time.

The load is a child process with blocking sockets, so that what is measured is the server.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import ssl
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import bind_sockets
from tornado.tcpserver import TCPServer

CERTIFICATE = Path(__file__).parent.parent.parent / "compat/tornado/test/test.crt"
BYTES_ONE_WAY = 300_000_000


class Echo(TCPServer):
    """A message is its length in four bytes, then so many bytes."""

    async def handle_stream(self, stream: IOStream, address: object) -> None:
        stream.set_nodelay(True)
        try:
            while True:
                size = int.from_bytes(await stream.read_bytes(4), "big")
                await stream.write(await stream.read_bytes(size))
        except StreamClosedError:
            pass  # the client has had enough


def load(port: int, size: int, tls: bool, report: Connection) -> None:
    """Send and receive messages one after the other; report how many, before and after."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    count = max(20, min(20_000, BYTES_ONE_WAY // size))
    message = size.to_bytes(4, "big") + os.urandom(size)
    buffer = bytearray(size)
    report.send(count)
    for _ in range(count):
        sock.sendall(message)
        rest = memoryview(buffer)
        while rest:
            rest = rest[sock.recv_into(rest) :]
    report.send(None)


async def main(size: int, tls: bool) -> None:
    options = {"certfile": str(CERTIFICATE), "keyfile": str(CERTIFICATE.with_suffix(".key"))}
    server = Echo(ssl_options=options if tls else None)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    receive, send = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(
        target=load, args=(sockets[0].getsockname()[1], size, tls, send)
    )
    child.start()
    loop = asyncio.get_running_loop()
    count = await loop.run_in_executor(None, receive.recv)
    begin = time.process_time()
    await loop.run_in_executor(None, receive.recv)
    print(count / (time.process_time() - begin))
    child.join()
    server.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), "tls" in sys.argv[2:]))
