"""A rolling restart behind nginx and HAProxy: `benchmarks/fifty_hosts.py`, smaller."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.fifty_hosts import simulate
from tests.brokers import missing, redis_url

__all__ = ["redis_url"]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("balancer", ["nginx", "haproxy"])
async def test_a_rolling_restart_loses_nothing(balancer: str, redis_url: str) -> None:
    if shutil.which(balancer) is None:
        missing(f"{balancer} is not installed: nothing was tried behind it")
    result = await simulate(balancer, sockets=40, askers=4)
    assert result.lost == [] and result.requests > 100
    assert result.wrong == [] and result.complete == 40
    assert result.messages > 10 and result.reconnects >= 40
    # How long that takes is the machine's affair; most come back at their first try.
    assert result.failed_tries < result.reconnects
