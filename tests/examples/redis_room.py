"""The Redis that tests of examples meet in, and a room of their own there."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

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
