"""No test here really sleeps, and none leaves templates behind for another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from trio.testing import MockClock

from tornado_trio.web import RequestHandler, StaticFileHandler


@pytest.fixture(autouse=True)
def clock(autojump_clock: MockClock) -> MockClock:
    return autojump_clock


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    yield
    RequestHandler._template_loaders.clear()
    StaticFileHandler.reset()
