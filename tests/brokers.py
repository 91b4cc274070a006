"""The brokers that tests meet at: this machine's Redis and NATS, and ones of a test's own.

Without a broker the tests that need it are skipped, with the reason; in CI they fail.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import NoReturn

import pytest

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
NATS_URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


def missing(reason: str) -> NoReturn:
    """Skip; or fail, where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def reachable(url: str) -> bool:
    """Whether somebody listens at the host and port of `url`."""
    host, _, port = url.partition("//")[2].partition("/")[0].rpartition("@")[2].rpartition(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
    except OSError:
        return False
    return True


@pytest.fixture
def redis_url() -> str:
    """This machine's Redis."""
    pytest.importorskip("coredis")
    if not reachable(REDIS_URL):
        missing(f"no Redis at {REDIS_URL} (or set REDIS_URL)")
    return REDIS_URL


@pytest.fixture
def nats_url() -> str:
    """This machine's NATS."""
    pytest.importorskip("nats")
    if not reachable(NATS_URL):
        missing(f"no NATS at {NATS_URL} (or set NATS_URL)")
    return NATS_URL


def free_port() -> int:
    """A port that nobody listens at, just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class OwnRedis:
    """A Redis of a test's own on a free port, which it may stop, kill and start again."""

    def __init__(self, folder: Path, *options: str, forgetful: bool = False) -> None:
        pytest.importorskip("coredis")
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            missing("there is no redis-server here")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        kept = "no" if forgetful else "yes"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                         "--appendonly", kept, "--dir", str(folder), *options]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> OwnRedis:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self.stop(signal.SIGKILL)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                sock.sendall(b"PING\r\n")
                return sock.recv(7)[:5] in (b"+PONG", b"-NOAU")
        except OSError:
            return False

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(20)
        self._process = None
