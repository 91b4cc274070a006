"""Four processes full of websockets at one Redis: everybody gets everything, once and in order.

`ROOMS_CROWD=500x1000` (members per process, messages) makes it large.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.brokers import OwnRedis

from . import crowd

MEMBERS, MESSAGES = map(int, os.environ.get("ROOMS_CROWD", "25x300").split("x"))
LONG = 60 if MEMBERS <= 50 else 600


@pytest.mark.timeout(2 * LONG)
@pytest.mark.parametrize("rooms", [1, 5])
def test_everybody_gets_everything(redis_url: str, rooms: int) -> None:
    result = crowd.run(4, MEMBERS, MESSAGES, rooms, redis_url)
    assert result.members == 4 * MEMBERS
    assert (result.complete, result.wrong) == (result.members, [])


@pytest.mark.timeout(2 * LONG)
def test_a_restart_of_redis_loses_nothing(tmp_path: Path) -> None:
    """What was acknowledged before it, during it and after it."""
    with OwnRedis(tmp_path) as redis:
        result = crowd.run(4, MEMBERS, MESSAGES, 2, redis.url, redis)
    assert (result.complete, result.wrong) == (result.members, [])
