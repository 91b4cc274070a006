"""`no_leaks`: it is an error if a block leaves tasks, descriptors or connections behind.

Knows trio's task tree and the system's list of descriptors. Must not know what is tested.
"""

from __future__ import annotations

import gc
import os
import sys
import time

import trio
from trio.lowlevel import Task

from ..client.pool import pools
from ..server.handler_task import place_of

__all__ = ["Leaked", "no_leaks"]


class Leaked(AssertionError):
    """Something was left behind; the message names it."""


class no_leaks:  # used as a function
    """Put it around code that must leave nothing behind: `async with no_leaks():`.

    Outside of a trio run, use `with no_leaks():` around the whole run: its tasks have ended then.

    Args:
        tasks: check for tasks that were started in the run and are still running.
        descriptors: check for files and sockets that are still open (Linux and macOS).
        connections: check for connections of HTTP clients' pools that are still in use.
        within: seconds (of trio's clock, in a run) to wait for things to end: the other side of a
            connection, for one, notices a close a moment later.

    Raises:
        Leaked: names the tasks with the line they wait in, and describes the descriptors. Not
            raised when the block itself raises.
    """

    def __init__(
        self,
        *,
        tasks: bool = True,
        descriptors: bool = True,
        connections: bool = True,
        within: float = 1.0,
    ) -> None:
        self.tasks, self.descriptors, self.connections = tasks, descriptors, connections
        self.within = within
        self._tasks: set[Task] = set()
        self._files: dict[int, str] = {}
        self._used = 0

    def __repr__(self) -> str:
        return f"<no_leaks, within {self.within} s>"

    def __enter__(self) -> no_leaks:
        if self.descriptors:
            self._files = _descriptors()
        self._used = _in_use()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            deadline = time.monotonic() + self.within
            while left := self._left():
                if time.monotonic() >= deadline:
                    raise Leaked("left behind:\n  " + "\n  ".join(left))
                gc.collect()  # a cycle holds what its owner has let go
                time.sleep(self.within / 20)

    async def __aenter__(self) -> no_leaks:
        if self.tasks:
            self._tasks = _tasks()
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            deadline = trio.current_time() + self.within
            while left := self._tasks_left() + self._left():
                if trio.current_time() >= deadline:
                    raise Leaked("left behind:\n  " + "\n  ".join(left))
                gc.collect()
                await trio.sleep(self.within / 20)

    def _tasks_left(self) -> list[str]:
        if not self.tasks:
            return []
        return [f"task {task.name}, {place_of(task)}" for task in _tasks() - self._tasks]

    def _left(self) -> list[str]:
        left = []
        if self.descriptors:
            left += [
                f"descriptor {fd}: {what}"
                for fd, what in sorted(_descriptors().items())
                if self._files.get(fd) != what
            ]
        if self.connections and (used := _in_use() - self._used) > 0:
            left.append(f"{used} connections of a client are in use")
        return left


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
