"""Metrics of queues: requests that wait for a pool's connection, functions for a thread, bytes for
their client, tasks for the loop.

Knows pools, trio's statistics, and streams of servers. Must not know its readers.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from ..client.pool import WAIT_BOUNDS, PoolCounts, gone, pools
from ..server.server import Server
from .families import Family

__all__ = ["waits"]


def waits(servers: Iterable[Server]) -> list[Family]:
    """Current gauges, and the counters of pools since the start of the process."""
    return [*_pools(), *_threads(), *_tasks(), _unsent(servers)]


def _pools() -> list[Family]:
    held = Family(
        "tornado_client_pool_connections", "gauge", "Connections of the HTTP client's pools."
    )
    waiting = Family(
        "tornado_client_pool_waiting", "gauge", "Requests that wait for a connection of a pool."
    )
    events = Family(
        "tornado_client_pool_events_total", "counter", "What became of pools' connections."
    )
    waited = Family(
        "tornado_client_pool_wait_seconds",
        "histogram",
        "For how long requests waited for a connection, those that had to.",
    )
    counts = PoolCounts()
    counts.add(gone)
    for name in ("in_use", "idle"):
        held.add(0, state=name)
    waiting.add(0)
    for pool in list(pools):
        now = pool.statistics()
        for name in ("in_use", "idle"):
            held.add(now[name], state=name)
        waiting.add(now["waiting"])
        counts.add(pool.counts)
    for name, count in counts.events.items():
        events.add(count, event=name)
    waited.add_histogram(WAIT_BOUNDS, counts.waits, counts.waited)
    return [held, waiting, events, waited]


def _threads() -> list[Family]:
    """Of `trio.to_thread.run_sync`, as far as its default limiter is used."""
    try:
        now = trio.to_thread.current_default_thread_limiter().statistics()
    except RuntimeError:  # no run: nothing waits
        return []
    return [
        Family("tornado_threads", "gauge", "Functions that run in threads.").add(
            now.borrowed_tokens
        ),
        Family("tornado_threads_limit", "gauge", "As many may do so at a time.").add(
            now.total_tokens
        ),
        Family("tornado_threads_waiting", "gauge", "Functions that wait for a thread.").add(
            now.tasks_waiting
        ),
    ]


def _tasks() -> list[Family]:
    try:
        now = trio.lowlevel.current_statistics()
    except RuntimeError:
        return []
    return [
        Family("tornado_tasks", "gauge", "Tasks there are.").add(now.tasks_living),
        Family("tornado_tasks_runnable", "gauge", "Tasks that wait for their turn.").add(
            now.tasks_runnable
        ),
    ]


def _unsent(servers: Iterable[Server]) -> Family:
    family = Family(
        "tornado_unsent_bytes", "gauge", "Bytes that wait until their clients take them."
    )
    streams = [
        getattr(connection, "stream", None)
        for server in servers
        for connection in server.connections
    ]
    return family.add(sum(stream.unsent for stream in streams if stream is not None))
