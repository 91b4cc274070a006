"""`no_leaks`: what a block leaves behind is an error: tasks, descriptors, connections.

Knows trio's task tree and the system's list of descriptors. Must not know what is tested.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.lowlevel import Task

from ..client.pool import pools
from ..server.handler_task import place_of

__all__ = ["Leaked", "no_leaks"]


class Leaked(AssertionError):
    """Something is left; the message names it."""


@asynccontextmanager
async def no_leaks(
    *, tasks: bool = True, descriptors: bool = True, connections: bool = True, within: float = 1.0
) -> AsyncIterator[None]:
    """`async with no_leaks():` around what is to leave nothing behind.

    Args:
        tasks: those that were started in the run and still go on.
        descriptors: files and sockets that are open still (Linux and macOS).
        connections: those of HTTP clients' pools which are in use still.
        within: seconds (of trio's clock) that ends may take: the other side of a connection, say,
          hears of a close a moment later.

    Raises:
        Leaked: names the tasks with the line they wait in, the descriptors with what they are. Not
            when the block itself raises.
    """
    before_tasks = _tasks()
    before_files = _descriptors() if descriptors else {}
    before_used = _in_use()
    yield
    left: list[str] = []
    deadline = trio.current_time() + within
    while True:
        left = []
        if tasks:
            left += [f"task {t.name}, {place_of(t)}" for t in _tasks() - before_tasks]
        if descriptors:
            now = _descriptors()
            left += [
                f"descriptor {fd}: {what}"
                for fd, what in sorted(now.items())
                if before_files.get(fd) != what
            ]
        if connections and (used := _in_use() - before_used) > 0:
            left.append(f"{used} connections of a client are in use")
        if not left:
            return
        if trio.current_time() >= deadline:
            break
        gc.collect()  # a cycle holds what its owner has let go
        await trio.sleep(within / 20)
    raise Leaked("left behind:\n  " + "\n  ".join(left))


def _tasks() -> set[Task]:
    """The tasks of the run's own tree, but for trio's own."""
    root = trio.lowlevel.current_root_task()
    todo = [] if root is None else list(root.child_nurseries)
    found: set[Task] = set()
    while todo:
        for task in todo.pop().child_tasks:
            found.add(task)
            todo += task.child_nurseries
    return {task for task in found if task.name.split(".")[:2] != ["trio", "_core"]}


def _in_use() -> int:
    return sum(pool.statistics()["in_use"] for pool in list(pools))


def _descriptors() -> dict[int, str]:
    """What is open: number and what it is; empty where the system does not tell."""
    folder = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
    found = {}
    try:
        numbers = [int(name) for name in os.listdir(folder)]
    except OSError:
        return {}
    for fd in numbers:
        try:
            status = os.fstat(fd)
            what = os.readlink(f"{folder}/{fd}") if sys.platform == "linux" else ""
        except OSError:
            continue  # the list's own
        found[fd] = what or f"inode {status.st_ino} of device {status.st_dev}"
    return found
