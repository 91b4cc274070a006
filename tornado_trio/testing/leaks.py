"""`no_leaks`: it is an error if a block leaves tasks, descriptors or connections behind.

Knows trio's task tree and the system's list of descriptors. Must not know what is tested.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator

import trio
from trio.lowlevel import Task

from ..client.pool import pools
from ..server.handler_task import place_of

__all__ = ["Leaked", "no_leaks"]

LOOKS = 20  # as many pauses make up the time that ends may take


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
            for pause in self._pauses(self._left):
                time.sleep(pause)

    async def __aenter__(self) -> no_leaks:
        if self.tasks:
            self._tasks = _tasks()
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            for pause in self._pauses(lambda: self._tasks_left() + self._left()):
                await trio.sleep(pause)

    def _pauses(self, look: Callable[[], list[str]]) -> Iterator[float]:
        """Seconds to wait before the next look, while something is left.

        A cycle may hold what its owner has released: what is left at the first look, at the middle
        one and at the last is looked for once more after a collection. Not at each: in a process
        with much in it one takes seconds.
        """
        for number in range(LOOKS + 1):
            left = look()
            if left and number in (0, LOOKS // 2, LOOKS):
                gc.collect()
                left = look()
            if not left:
                return
            if number < LOOKS:
                yield self.within / LOOKS
        raise Leaked("left behind:\n  " + "\n  ".join(left))

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
