"""The client of `floods.py`: sends one flood, and waits for the server to close.

flood_sender.py multipart|percent|deflate|trickle PORT
"""

import socket
import sys
import time

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


floods = {f.__name__: f for f in (multipart, percent, deflate, trickle)}
send(int(sys.argv[2]), floods[sys.argv[1]]())
