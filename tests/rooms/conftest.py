"""Rooms as two processes see them, over each broker."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.brokers import forget_nats, nats_url, redis_url
from tornado_trio.interop import run_with_asyncio
from tornado_trio.rooms import Rooms

__all__ = ["nats_url", "places", "redis_url"]

#: Opens as many `Rooms` that meet as are asked for.
Places = Callable[..., Any]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """NATS' client needs asyncio: its tests run as its guests."""
    for item in items:
        spec = getattr(item, "callspec", None)
        if spec is not None and spec.params.get("places") == "nats":
            item.add_marker(pytest.mark.trio(run=run_with_asyncio), append=False)


@pytest.fixture(params=["memory", "redis", "nats"])
def places(request: pytest.FixtureRequest) -> Iterator[Places]:
    """`async with places(2, history=5) as (here, there):`; in memory both are the same."""
    kind = request.param
    url = None if kind == "memory" else request.getfixturevalue(f"{kind}_url")
    prefix = f"test-{uuid.uuid4().hex}"

    @asynccontextmanager
    async def open_places(count: int = 2, **options: Any) -> AsyncIterator[list[Rooms]]:
        # What tests leave behind is forgotten after a minute.
        options = {"prefix": prefix, "keep": 60, "beat": 0.2, "timeout": 20, **options}
        async with AsyncExitStack() as stack:
            opened: list[Rooms] = []
            for _ in range(count):
                if url is None and opened:
                    opened.append(opened[0])
                else:
                    opened.append(await stack.enter_async_context(Rooms(url, **options)))
            yield opened

    yield open_places
    if kind == "nats" and url is not None:
        forget_nats(url, prefix)
