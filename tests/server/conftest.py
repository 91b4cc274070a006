"""No test here really sleeps."""

from __future__ import annotations

import pytest
from trio.testing import MockClock


@pytest.fixture(autouse=True)
def clock(autojump_clock: MockClock) -> MockClock:
    return autojump_clock
