"""Answers mutated at random: whatever comes, a `ClientError` or a response, and a sound client."""

from __future__ import annotations

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tornado_trio.client import ClientError

from .test_hostile import ACCEPTED, REFUSED, fetch

SEEDS = [row[1][:3000] for row in (*REFUSED, *ACCEPTED)]
SPICE = [b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"0", b"-1", b"\xff", b"chunked", b"HTTP/1.1 "]

edits = st.lists(
    st.tuples(
        st.integers(0, 3000), st.integers(0, 8), st.sampled_from(SPICE) | st.binary(max_size=4)
    ),
    max_size=4,
)


def mutate(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for position, removed, added in changes:
        position %= len(data) + 1
        data = data[:position] + added + data[position + removed :]
    return data


@given(seed=st.sampled_from(SEEDS), changes=edits)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
async def test_mutated_answers(seed: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    with trio.fail_after(10):
        try:
            response = await fetch(mutate(seed, changes))
        except ClientError as error:
            assert error.phase
        else:
            assert 200 <= response.status < 1000 or response.status == 101


@given(data=st.binary(max_size=300))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
async def test_random_bytes(data: bytes) -> None:
    with trio.fail_after(10):
        try:
            await fetch(data)
        except ClientError as error:
            assert error.phase
