"""No test leaves templates or versions of files behind for another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tornado_trio.web import RequestHandler, StaticFileHandler


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    yield
    RequestHandler._template_loaders.clear()
    StaticFileHandler.reset()
