"""Every asynchronous test of the server runs twice: on trio, and as a guest of asyncio's loop."""

from __future__ import annotations

import inspect

import pytest
import trio

from tornado_trio.interop import run_with_asyncio

HOSTS = [
    pytest.param("trio", marks=pytest.mark.trio(run=trio.run)),
    pytest.param("asyncio", marks=pytest.mark.trio(run=run_with_asyncio)),
]


@pytest.fixture
def host(request: pytest.FixtureRequest) -> str:
    """Whose loop the test's trio run is turned by."""
    name: str = request.param
    return name


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if inspect.iscoroutinefunction(metafunc.function):
        metafunc.fixturenames.insert(0, "host")
        metafunc.parametrize("host", HOSTS, indirect=True)
