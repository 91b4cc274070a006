"""Fixtures for pytest (with pytest-trio): `pytest_plugins = ["tornado_trio.testing.plugin"]`.

    memory_network   hosts and ports that exist in one test only
    memory_serve     `server = await memory_serve(app)`; drained at the test's end
    asyncio_host     the test's trio run is a guest of asyncio's loop: await both

With pytest-trio's `autojump_clock` as well, no timeout takes real time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from pytest_trio import trio_fixture  # type: ignore[import-untyped, unused-ignore]

from ..exchange import App
from ..net.memory import MemoryNetwork
from .server import MemoryServer, memory_server

__all__ = ["asyncio_host", "memory_network", "memory_serve"]


@pytest.fixture
def memory_network() -> MemoryNetwork:
    """An in-memory network; servers of the test's `memory_serve` are on it."""
    return MemoryNetwork()


@pytest.fixture
def asyncio_host() -> None:
    """The test, and what it starts, may await asyncio as well as trio.

    As under `tornado_trio.run(main, asyncio=True)`. `autojump_clock` is trio's only: asyncio's
    timers follow the real clock.
    """


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have pytest-trio run the tests that ask for it on an asyncio loop."""
    from ..interop import run_with_asyncio

    for item in items:
        if "asyncio_host" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.trio(run=run_with_asyncio), append=False)


@trio_fixture  # type: ignore[untyped-decorator, unused-ignore]
def memory_serve(
    nursery: trio.Nursery, memory_network: MemoryNetwork
) -> Callable[..., Awaitable[MemoryServer]]:
    """A function to serve an application: `await memory_serve(app, options, host=...)`."""

    async def hold(
        app: App,
        options: Any,
        kwargs: dict[str, Any],
        *,
        task_status: trio.TaskStatus[MemoryServer],
    ) -> None:
        async with memory_server(app, options, network=memory_network, **kwargs) as server:
            task_status.started(server)
            await trio.sleep_forever()

    async def serve(app: App, options: Any = None, **kwargs: Any) -> MemoryServer:
        server: MemoryServer = await nursery.start(hold, app, options, kwargs)
        return server

    return serve
