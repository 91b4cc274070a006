"""`crowd_server.py` as a process of its own, and peers made of plain sockets."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


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


def counts(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts", timeout=10) as answer:
        result: dict[str, Any] = json.loads(answer.read())
        return result


def settled(port: int, closed: int) -> dict[str, Any]:
    """The counts, once so many ends were told."""
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


def connect(port: int, path: str = "/echo") -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.sendall(UPGRADE % path.encode())
    read(sock, b"\r\n\r\n")
    return sock


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
