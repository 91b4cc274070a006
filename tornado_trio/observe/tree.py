"""The tree of tasks: where each waits, since when, until when. Plain rows, parents first.

Knows trio's tasks, and asyncio's where trio is its guest. Must not know servers or pages.
"""

from __future__ import annotations

import math
import os
import re
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from types import CoroutineType, FrameType, GeneratorType
from typing import Any
from weakref import WeakKeyDictionary

import trio

from .._util.stepping import Stepper
from ..interop.listing import generator_frames, running_tasks, waiting_timers
from ..interop.trio_internals import effective_deadline

__all__ = ["Ages", "ROW", "place_in", "task_tree"]

#: The columns of a row: how deep it is, which task, its name, its age in seconds (None: as old as
#: the inspector), seconds to its deadline (None: none), where it waits, bytes waiting to be sent,
#: and how many more like it are not shown.
ROW = ("depth", "id", "name", "age", "deadline", "where", "unsent", "more")

MOST_ALIKE = 20  # children of one nursery that differ in numbers only
MOST_FOUND = 500
MOST_TIMERS = 100
_LIBRARIES = frozenset(("trio", "tornado_trio", "tornado", "outcome", "asyncio"))
_ASYNC_GENERATORS = frozenset(("async_generator_asend", "async_generator_athrow"))
_OURS = frozenset(("tornado_trio", "tornado"))
_INSTALLED = tuple(
    path for name in ("purelib", "platlib", "stdlib") if (path := sysconfig.get_path(name))
)
_NUMBERS = re.compile(r"#?[0-9a-f]*[0-9][0-9a-f]*")
_QUERY = re.compile(r"\?\S*")


class Ages(trio.abc.Instrument):
    """When tasks were started. Costs nothing per step: trio calls it for new tasks only."""

    def __init__(self) -> None:
        self.began: WeakKeyDictionary[trio.lowlevel.Task, float] = WeakKeyDictionary()

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """Called by trio."""
        self.began[task] = time.monotonic()


def _frames(task: trio.lowlevel.Task) -> list[FrameType]:
    """What waits in what, the outermost first."""
    frames, last = _chain(task.coro)
    if last is None:
        try:
            frames = [frame for frame, _ in task.iter_await_frames()]
        except (AttributeError, RuntimeError):
            return []  # it runs (the one that asks), or its coroutine is no Python code
        last = task.coro
    if "tornado.gen" in sys.modules:
        frames += generator_frames(last)
    return frames


def _chain(coro: Any) -> tuple[list[FrameType], object]:
    """As `Task.iter_await_frames`, for what nearly all tasks are made of, at a quarter of its cost:
    a page asks for thousands. And the last that is awaited; None: only trio knows the way."""
    frames: list[FrameType] = []
    while True:
        kind = type(coro)
        if kind is CoroutineType:
            frame, inner = coro.cr_frame, coro.cr_await
        elif kind is GeneratorType:
            frame, inner = coro.gi_frame, coro.gi_yieldfrom
        elif isinstance(coro, Stepper):
            coro = coro.stepped
            continue
        elif kind.__name__ in _ASYNC_GENERATORS or hasattr(coro, "cr_frame"):
            return [], None
        else:
            return frames, coro
        if frame is not None:
            frames.append(frame)
        if inner is None:
            return frames, coro
        coro = inner


def _line(frame: FrameType) -> str:
    return f"{_short(frame.f_code.co_filename)}:{frame.f_lineno} in {frame.f_code.co_qualname}"


def _short(path: str) -> str:
    """Without the folder that all the program's files, or all installed ones, are in."""
    for folder in (os.getcwd(), *_INSTALLED):
        if path.startswith(folder + os.sep):
            rest = path[len(folder) + 1 :]
            return rest.rpartition("site-packages" + os.sep)[2]  # of an environment in there
    return path


def _innermost(frames: list[FrameType], libraries: dict[int, str]) -> FrameType | None:
    """The innermost of the program; of ours where no program is involved, of another library's
    where we are not either: how trio waits tells nothing.

    `libraries` are by the `id` of a frame's code, whose hash is made anew each time it is asked
    for; they serve as long as the frames wait.
    """
    best: FrameType | None = None
    for frame in reversed(frames):
        library = libraries.get(id(frame.f_code))
        if library is None:
            library = frame.f_globals.get("__name__", "").partition(".")[0]
            libraries[id(frame.f_code)] = library
        if library not in _LIBRARIES:
            return frame
        if best is None and library in _OURS:
            best = frame
    return best or (frames[-1] if frames else None)


def _place(frames: list[FrameType]) -> str:
    innermost = _innermost(frames, {})
    return "runs" if innermost is None else _line(innermost)


def place_in(task: trio.lowlevel.Task) -> str:
    """The file and line that a task waits in: "shop.py:12 in get"."""
    return _place(_frames(task))


class _Walk:
    def __init__(
        self, ages: Ages, unsent: Mapping[trio.lowlevel.Task, int], find: str, frames: bool
    ) -> None:
        self.began, self.unsent, self.find, self.frames = ages.began, unsent, find.lower(), frames
        self.now, self.clock = time.monotonic(), trio.current_time()
        self._libraries: dict[int, str] = {}
        self._lines: dict[tuple[int, int], str] = {}  # of one walk: many wait in the same

    def _line(self, frame: FrameType) -> str:
        key = (id(frame.f_code), frame.f_lasti)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _line(frame)
        return line

    def where(self, task: trio.lowlevel.Task) -> str | list[str]:
        frames = _frames(task)
        if self.frames:
            return [self._line(frame) for frame in frames] or ["runs"]
        innermost = _innermost(frames, self._libraries)
        return "runs" if innermost is None else self._line(innermost)

    def row(self, task: trio.lowlevel.Task, depth: int, where: str | list[str]) -> list[Any]:
        began = self.began.get(task)
        deadline = effective_deadline(task)
        return [
            depth,
            f"{id(task):x}",
            _QUERY.sub("?…", task.name),
            None if began is None else self.now - began,
            None if deadline == math.inf else deadline - self.clock,
            where,
            self.unsent.get(task, 0),
            0,
        ]

    def rows(self, root: trio.lowlevel.Task) -> Iterator[list[Any]]:
        """The task and its descendants, without deep recursion; with `find`, those that match, and
        their parents."""
        todo: list[tuple[trio.lowlevel.Task, int, int]] = [(root, 0, 0)]
        path: list[tuple[trio.lowlevel.Task, int, Any]] = []  # not shown yet
        found = 0
        while todo and found < MOST_FOUND:
            task, depth, more = todo.pop()
            where = self.where(task)
            if not self.find:
                row = self.row(task, depth, where)
                row[-1] = more
                yield row
            else:
                while path and path[-1][1] >= depth:
                    path.pop()
                path.append((task, depth, where))
                if self.find in f"{task.name} {where}".lower():
                    yield from (self.row(*each) for each in path)
                    path.clear()
                    found += 1
            children = []
            for nursery in task.child_nurseries:
                children += self.chosen(list(nursery.child_tasks))
            todo += [(child, depth + 1, more) for child, more in reversed(children)]

    def chosen(self, tasks: list[trio.lowlevel.Task]) -> list[tuple[trio.lowlevel.Task, int]]:
        """Siblings, oldest first; of many similar ones only a few, the last with the number of the
        rest."""
        tasks.sort(key=lambda task: self.began.get(task, 0.0))
        if self.find or len(tasks) <= MOST_ALIKE:
            return [(task, 0) for task in tasks]
        alike: dict[str, list[trio.lowlevel.Task]] = {}
        for task in tasks:
            alike.setdefault(_NUMBERS.sub("#", task.name), []).append(task)
        kept = []
        for group in alike.values():
            for place, task in enumerate(group[:MOST_ALIKE], 1):
                kept.append((task, len(group) - place if place == MOST_ALIKE else 0))
        return kept


def task_tree(
    ages: Ages,
    unsent: Mapping[trio.lowlevel.Task, int],
    find: str = "",
    *,
    frames: bool = False,
) -> list[list[Any]]:
    """The tasks of the current run as rows of `ROW`, then those of asyncio and its timers.

    Args:
      ages: when tasks were started.
      unsent: bytes waiting to be sent, by task.
      find: only rows that contain this text, and their parents; at most MOST_FOUND.
      frames: `where` is a list of all frames, outermost first, not the innermost of the program.
    """
    root = trio.lowlevel.current_root_task()
    walk = _Walk(ages, unsent, find, frames)
    rows = [] if root is None else list(walk.rows(root))
    rows += _asyncio_rows(walk.find)
    return rows


def _asyncio_rows(find: str) -> list[list[Any]]:
    """What asyncio's loop of this thread has, where it hosts the run."""
    tasks, timers = running_tasks(), waiting_timers()
    if find:
        tasks = [task for task in tasks if find in f"{task.name} {_place(task.frames)}".lower()]
        timers = [each for each in timers if find in f"timer {each.name} {each.where}".lower()]
    if not (tasks or timers):
        return []
    rows: list[list[Any]] = [[0, "asyncio", "asyncio's loop", None, None, "", 0, 0]]
    for task in tasks:
        where = _place(task.frames)
        rows.append([1, task.id, task.name, None, None, where, 0, 0])
    rows += [
        [1, timer.id, f"timer {timer.name}", None, timer.due, timer.where, 0, 0]
        for timer in timers[:MOST_TIMERS]
    ]
    if len(timers) > MOST_TIMERS:
        rows[-1][-1] = len(timers) - MOST_TIMERS
    return rows
