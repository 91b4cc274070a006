"""The Redis that tests of examples meet in, and a room of their own there."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


@pytest.fixture
def room() -> Iterator[str]:
    """The name of a room. Without Redis the test is skipped; in CI it fails."""
    redis = pytest.importorskip("redis")
    name = f"test-{uuid.uuid4().hex}"
    with redis.Redis.from_url(URL) as client:
        try:
            client.ping()
        except redis.exceptions.ConnectionError as error:
            reason = f"no Redis at {URL} (or set REDIS_URL): {error}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        yield name
        client.delete(f"{name}:number", f"{name}:log")


@contextmanager
def redis_server(port: int, folder: Path) -> Iterator[None]:
    """A Redis of one's own, that remembers nothing. Skipped where there is no such program."""
    redis = pytest.importorskip("redis")
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("there is no redis-server here")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port) as client:
            deadline = time.monotonic() + 20
            while True:
                try:
                    client.ping()
                    break
                except redis.exceptions.ConnectionError:
                    assert process.poll() is None and time.monotonic() < deadline
                    time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)
