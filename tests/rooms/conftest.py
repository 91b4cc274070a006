"""Rooms as two processes see them, over each broker."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.brokers import nats_url, redis_url
from tornado_trio.rooms import Rooms

__all__ = ["nats_url", "places", "redis_url"]

#: Opens as many `Rooms` that meet as are asked for.
Places = Callable[..., Any]


@pytest.fixture(params=["memory", "redis"])
def places(request: pytest.FixtureRequest) -> Places:
    """`async with places(2, history=5) as (here, there):`; in memory both are the same."""
    url = None if request.param == "memory" else request.getfixturevalue("redis_url")
    prefix = f"test-{uuid.uuid4().hex}"

    @asynccontextmanager
    async def open_places(count: int = 2, **options: Any) -> AsyncIterator[list[Rooms]]:
        # What tests leave behind is forgotten after a minute.
        options = {"prefix": prefix, "keep": 60, "beat": 0.2, **options}
        async with AsyncExitStack() as stack:
            opened: list[Rooms] = []
            for _ in range(count):
                if url is None and opened:
                    opened.append(opened[0])
                else:
                    opened.append(await stack.enter_async_context(Rooms(url, **options)))
            yield opened

    return open_places
