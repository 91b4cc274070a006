"""Turns the overlay on; a test that leaves the thread's trio run behind fails itself."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

import compat  # noqa: F401 - here for all: sorted imports may put it behind tornado's
from tornado_trio.interop.guest import current_guest


@pytest.fixture(autouse=True)
def no_run_left_behind() -> Iterator[None]:
    # Otherwise the first IOLoop finds one that asyncio makes on the spot, and nobody closes it.
    asyncio.set_event_loop(None)
    yield
    asyncio.set_event_loop(None)
    guest = current_guest()
    if guest is not None:
        loop, raised, scopes = guest.loop, guest.raised, list(guest.scopes)
        guest.abandon()
        gc.collect()
        pytest.fail(
            f"an IOLoop was not closed: its trio run is still there, on {loop}, with {scopes}; "
            f"it had raised {raised!r} in the loop"
        )
