"""How connections end, over real sockets and through both doors.

In each case memory is bounded, the codes are right, and the end is told exactly once: to
`on_close`, and by the end of the native session's iteration. Tornado's `close_code` is the
peer's, and None when the peer gave none.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from .crowd import connect, counts, private_kib, read, reset, server, settled
from .crowd_server import LIMIT, PIECE, PIECES

DOORS = ["native", "compat"]
FIN, TEXT, BINARY, CLOSE = 0x80, 1, 2, 8


@pytest.fixture(scope="module", params=DOORS)
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, int, int]]:
    with server(request.param) as (port, pid):
        yield request.param, port, pid


@contextlib.contextmanager
def one_end(place: tuple[str, int, int], native: int | None, compat: int | None) -> Iterator[Any]:
    """One connection comes and goes in the block; the code that its handler is told."""
    door, port, _ = place
    before = counts(port)
    assert before["opened"] == before["closed"]
    yield None
    after = settled(port, before["closed"] + 1)
    time.sleep(0.2)  # a second call would come now
    assert counts(port) == after
    assert after["opened"] == after["closed"] == before["closed"] + 1
    assert after["codes"][-1] == (native if door == "native" else compat)


def frame(first: int, payload: bytes = b"", size: int | None = None) -> bytes:
    """Masked with zeros. `size` is what the head says, if not the truth."""
    size = len(payload) if size is None else size
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + b"\0\0\0\0" + payload


def rest(sock: socket.socket) -> bytes:
    """Everything until the server closes, which it does first."""
    data = b""
    while more := sock.recv(65536):
        data += more
    return data


@pytest.mark.parametrize("how", ["patient", "hasty"])
def test_a_peer_that_stops_reading(place: tuple[str, int, int], how: str) -> None:
    """125 MiB are on offer; the peer takes none of it, and answers no pings."""
    _, port, pid = place
    with one_end(place, native=1011, compat=None):
        sock = connect(port, "/alive")
        before = private_kib(pid)
        sock.sendall(frame(FIN | TEXT, how.encode()))
        most = 0
        deadline = time.monotonic() + 15
        while counts(port)["closed"] < counts(port)["opened"] and time.monotonic() < deadline:
            most = max(most, private_kib(pid) or 0)
            time.sleep(0.02)
        if before is not None:
            assert most - before < 8 * 1024
    sock.close()


def test_a_slow_peer_gets_it_all(place: tuple[str, int, int]) -> None:
    """Back pressure, for those who do read: nothing is lost, and nothing piles up."""
    _, port, pid = place
    with one_end(place, native=1000, compat=1000), connect(port) as sock:
        before = private_kib(pid)
        sock.sendall(frame(FIN | TEXT, b"patient"))
        missing, most = PIECES * (10 + len(PIECE)), 0
        while missing:
            missing -= len(sock.recv(1 << 20))
            most = max(most, private_kib(pid) or 0)
        if before is not None:
            assert most - before < 8 * 1024
        sock.sendall(frame(FIN | CLOSE, b"\x03\xe8"))
        assert rest(sock) == b"\x88\x02\x03\xe8"


def test_a_peer_that_vanishes(place: tuple[str, int, int]) -> None:
    """No FIN, no pong: it is noticed by its silence, and the connection is let go."""
    door, port, _ = place
    with one_end(place, native=1011, compat=None), connect(port, "/alive") as sock:
        data = rest(sock)
        assert data[:1] == b"\x89"  # a ping
        goodbye = data[2 + data[1] :]
        if door == "native":
            assert goodbye[:4] == bytes([FIN | CLOSE, len(goodbye) - 2]) + b"\x03\xf3"
        else:
            assert goodbye == b"\x88\x10\x03\xe8ping timed out"


@pytest.mark.parametrize("how", ["fin", "reset", "half"])
def test_a_peer_that_leaves_without_a_word(place: tuple[str, int, int], how: str) -> None:
    _, port, _ = place
    with one_end(place, native=1006, compat=None):
        sock = connect(port)
        sock.sendall(frame(FIN | TEXT, b"hi"))
        read(sock, b"hi")
        if how == "half":
            sock.sendall(frame(FIN | TEXT, b"half a message")[:-5])
            sock.shutdown(socket.SHUT_WR)
            rest(sock)
        if how == "reset":
            reset(sock)
        sock.close()


@pytest.mark.parametrize("parts", ["whole", "fragments", "announced"])
def test_a_message_of_the_limit_plus_one(place: tuple[str, int, int], parts: str) -> None:
    _, port, _ = place
    full = b"y" * LIMIT
    with one_end(place, native=1009, compat=None), connect(port) as sock:
        sock.sendall(frame(FIN | BINARY, full))
        read(sock, full)
        if parts == "whole":
            sock.sendall(frame(FIN | BINARY, full + b"y"))
        elif parts == "fragments":
            sock.sendall(frame(BINARY, full) + frame(FIN, b"y"))
        else:  # it is not waited for
            sock.sendall(frame(FIN | BINARY, size=1 << 40))
        answer = sock.recv(200)
        assert answer[:1] == b"\x88" and answer[2:4] == b"\x03\xf1"
        sock.shutdown(socket.SHUT_WR)
        assert rest(sock) == b""


def test_a_message_of_the_limit_in_fragments(place: tuple[str, int, int]) -> None:
    _, port, _ = place
    with one_end(place, native=1001, compat=1001), connect(port) as sock:
        sock.sendall(frame(BINARY, b"y" * (LIMIT - 1)) + frame(FIN, b"z"))
        read(sock, b"yz")
        sock.sendall(frame(FIN | CLOSE, b"\x03\xe9"))
        assert rest(sock) == b"\x88\x02\x03\xe9"


def test_a_close_from_both_sides_at_once(place: tuple[str, int, int]) -> None:
    """Each side's close frame is the answer to the other's: no third one is sent."""
    _, port, _ = place
    with one_end(place, native=4002, compat=4002), connect(port) as sock:
        sock.sendall(frame(FIN | TEXT, b"close"))
        select.select([sock], [], [])  # theirs is on its way; ours does not answer it
        sock.sendall(frame(FIN | CLOSE, b"\x0f\xa2mine"))
        assert rest(sock) == b"\x88\x0b\x0f\xa1asked for"


def test_closed_by_the_server(place: tuple[str, int, int]) -> None:
    _, port, _ = place
    with one_end(place, native=4001, compat=4001), connect(port) as sock:
        sock.sendall(frame(FIN | TEXT, b"close"))
        read(sock, b"\x88\x0b\x0f\xa1asked for")
        sock.sendall(frame(FIN | TEXT, b"nobody hears this") + frame(FIN | CLOSE, b"\x0f\xa1"))
        assert rest(sock) == b""
