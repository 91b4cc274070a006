"""Bodies joined from their chunks."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.wire.gathered import Gathered


@given(st.lists(st.binary(min_size=1)), st.integers(0, 100) | st.just("right"))
def test_the_body_is_its_chunks(chunks: list[bytes], said: int | str) -> None:
    """Whatever length is said: chunks may be what was inflated."""
    whole = b"".join(chunks)
    body = Gathered(len(whole) if isinstance(said, str) else said)
    for chunk in chunks:
        body.append(chunk)
    assert repr(body) == f"<Gathered {len(whole)} bytes>"
    assert body.take() == whole


@pytest.mark.parametrize("length", [1, 1_000_000, 2**40])
def test_memory(length: int) -> None:
    """Never twice as much as has come; where the length is right, less."""
    chunk = bytes(10_000)
    tracemalloc.start()
    try:
        body = Gathered(length)
        for _ in range(60):
            body.append(chunk)
        reserved = tracemalloc.get_traced_memory()[0]
        for _ in range(40):
            body.append(chunk)
        whole = body.take()
        size, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(whole) == 1_000_000
    assert size < 1_010_000
    assert reserved < 1_210_000
    assert peak < (1_700_000 if length == 1_000_000 else 2_000_000)  # it may be copied to grow
