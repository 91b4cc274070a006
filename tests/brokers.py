"""The brokers that tests meet at: this machine's Redis and NATS, and ones of a test's own.

Without a broker the tests that need it are skipped, with the reason; in CI they fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import NoReturn, Self

import pytest

from tests.ports import free_port

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


def forget_nats(url: str, prefix: str) -> None:
    """Remove what rooms of `prefix` have left at NATS."""
    import nats
    from nats.js.errors import NotFoundError

    async def forget() -> None:
        client = await nats.connect(url)
        for stream in (prefix, f"{prefix}-here"):
            with contextlib.suppress(NotFoundError):
                await client.jetstream().delete_stream(stream)
        await client.close()

    asyncio.run(forget())


class _Own:
    """A broker of a test's own on a free port, which it may stop, kill and start again."""

    url: str
    port: int

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self.stop(signal.SIGKILL)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdout=quiet, stderr=quiet)
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)

    def _answers(self) -> bool:
        raise NotImplementedError

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


class OwnRedis(_Own):
    """A Redis of a test's own."""

    def __init__(self, folder: Path, *options: str, forgetful: bool = False) -> None:
        pytest.importorskip("coredis")
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            missing("there is no redis-server here")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        kept = "no" if forgetful else "yes"
        super().__init__(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", kept, "--dir", str(folder), *options]
        )  # fmt: skip

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                sock.sendall(b"PING\r\n")
                return sock.recv(7)[:5] in (b"+PONG", b"-NOAU")
        except OSError:
            return False


class OwnNats(_Own):
    """A NATS of a test's own, with JetStream."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("nats")
        program = shutil.which("nats-server")
        if program is None:
            missing("there is no nats-server here")
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        super().__init__(
            [program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(folder)]
        )

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                return sock.recv(4) == b"INFO"
        except OSError:
            return False
