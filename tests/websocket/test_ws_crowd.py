"""Thousands of idle sockets: what they cost, that the server still answers, and how they end."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOCKETS = 5000
UPGRADE = (
    b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
# A mask of zeros masks as well as any.
HELLO = b"\x81\x85\0\0\0\0hello"
GOING_AWAY = b"\x88\x82\0\0\0\0\x03\xe9"
# Bounds per socket; measured: 10.6 compat, 14.2 native, 13.6 upstream Tornado 6.6.1
# (benchmarks/websocket_servers.py --only idle --idle 5000).
KIB_EACH = {"native": 18, "compat": 14}


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


@contextlib.contextmanager
def server(door: str) -> Iterator[tuple[int, int]]:
    """Its port and process number."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    command = [sys.executable, str(HERE / "crowd_server.py"), door, str(port)]
    process = subprocess.Popen(command, env=environment)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                counts(port)
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def counts(port: int) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts", timeout=10) as answer:
        result: dict[str, int] = json.loads(answer.read())
        return result


def settled(port: int, closed: int) -> dict[str, int]:
    deadline = time.monotonic() + 15
    while (now := counts(port))["closed"] < closed and time.monotonic() < deadline:
        time.sleep(0.05)
    return now


def private_kib(pid: int) -> int | None:
    """What the process has written to; None where the kernel does not tell."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def read(sock: socket.socket, ending: bytes) -> None:
    data = b""
    while not data.endswith(ending):
        more = sock.recv(1024)
        assert more, data
        data += more


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.sendall(UPGRADE)
    read(sock, b"\r\n\r\n")
    return sock


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("door", ["native", "compat"])
def test_idle(door: str, descriptors: None) -> None:
    with server(door) as (port, pid), contextlib.ExitStack() as open_:

        def crowd(size: int) -> list[socket.socket]:
            return [open_.enter_context(connect(port)) for _ in range(size)]

        socks = crowd(100)  # what the first ones load is not theirs
        before = private_kib(pid)
        socks += crowd(SOCKETS - 100)
        assert counts(port) == {"opened": SOCKETS, "closed": 0}
        after = private_kib(pid)
        if before is not None and after is not None:
            assert (after - before) / (SOCKETS - 100) < KIB_EACH[door]
        # The server is as quick as ever, for old sockets and new.
        begin = time.monotonic()
        for sock in socks[::50]:
            sock.sendall(HELLO)
            read(sock, b"\x81\x05hello")
        assert time.monotonic() - begin < 5
        # They end in every way; each end is told once.
        for number, sock in enumerate(socks):
            if number % 3 == 0:
                sock.sendall(GOING_AWAY)
            elif number % 3 == 1:
                sock.close()
            else:
                reset(sock)
        assert settled(port, SOCKETS) == {"opened": SOCKETS, "closed": SOCKETS}
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
