"""Thousands of idle sockets: what they cost, that the server still answers, and how they end."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Iterator

import pytest

from .crowd import connect, counts, private_kib, read, reset, server, settled

SOCKETS = 5000
# A mask of zeros masks as well as any.
HELLO = b"\x81\x85\0\0\0\0hello"
GOING_AWAY = b"\x88\x82\0\0\0\0\x03\xe9"
# Bounds per socket; measured: 10.3 compat, 12.3 native, 13.6 upstream Tornado 6.6.1
# (benchmarks/websocket_servers.py --only idle --idle 5000).
KIB_EACH = {"native": 16, "compat": 14}


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Room for the sockets in this process, and in those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = SOCKETS + 500
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"only {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("door", ["native", "compat"])
def test_idle(door: str, descriptors: None) -> None:
    with server(door) as (port, pid), contextlib.ExitStack() as open_:

        def crowd(size: int) -> list[socket.socket]:
            return [open_.enter_context(connect(port)) for _ in range(size)]

        socks = crowd(100)  # what the first ones load is not theirs
        before = private_kib(pid)
        socks += crowd(SOCKETS - 100)
        now = counts(port)
        assert (now["opened"], now["closed"]) == (SOCKETS, 0)
        after = private_kib(pid)
        if before is not None and after is not None:
            assert (after - before) / (SOCKETS - 100) < KIB_EACH[door]
        # The server answers as ever, old sockets and new.
        for sock in socks[::50]:
            sock.sendall(HELLO)
            read(sock, b"\x81\x05hello")
        # They end in every way; each end is told once.
        for number, sock in enumerate(socks):
            if number % 3 == 0:
                sock.sendall(GOING_AWAY)
            elif number % 3 == 1:
                sock.close()
            else:
                reset(sock)
        assert settled(port, SOCKETS)["closed"] == SOCKETS
        for sock in socks[::3]:
            read(sock, b"\x88\x02\x03\xe9")
            sock.close()
        time.sleep(0.2)
        assert counts(port)["closed"] == SOCKETS
        # What they held is used again: as many more cost little.
        again = crowd(1000)
        assert counts(port)["opened"] == SOCKETS + 1000
        ended = private_kib(pid)
        if after is not None and ended is not None:
            assert ended < after + 5 * 1024
        for sock in again:
            sock.close()
        assert settled(port, SOCKETS + 1000)["closed"] == SOCKETS + 1000
