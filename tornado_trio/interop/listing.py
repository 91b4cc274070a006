"""The tasks and timers of this thread's asyncio loop, for inspection.

Knows asyncio, and which of its names are private. Must not know its users.
"""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass
from types import FrameType, GeneratorType
from typing import Any

__all__ = ["ShownTask", "ShownTimer", "generator_frames", "running_tasks", "waiting_timers"]


_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class ShownTask:
    """An asyncio task: its name, its coroutine's name, and its frames with their lines."""

    id: str
    name: str
    frames: list[FrameType]


@dataclass(frozen=True, slots=True)
class ShownTimer:
    """A `call_later`: the function, seconds until it is called, and where it is defined."""

    id: str
    name: str
    due: float
    where: str


def generator_frames(awaitable: object) -> list[FrameType]:
    """Where the generators wait that fill the Future at the end of an awaitable: Tornado's
    coroutines, the outermost first. What awaits such a Future has no frame of theirs.

    The runner of each is known by its names: it is a callback of its Future, has the generator as
    `gen` and what that has yielded as `future`.
    """
    for _ in range(_DEEPEST):
        inner = getattr(awaitable, "cr_await", None) or getattr(awaitable, "gi_yieldfrom", None)
        if inner is None:
            break
        awaitable = inner
    found: list[FrameType] = []
    futures = [each for each in gc.get_referents(awaitable) if asyncio.isfuture(each)]
    future: object = futures[0] if futures else None
    for _ in range(_DEEPEST):
        generator, future = _filled_by(future)
        if generator is None:
            break
        frame = generator.gi_frame
        if frame is not None:
            found.append(frame)
    return found


def _filled_by(
    future: object,
) -> tuple[GeneratorType[object, object, object] | None, object]:
    """The generator that fills a Future, and the Future that it waits for."""
    for callback, *_ in getattr(future, "_callbacks", None) or ():
        owner = getattr(callback, "__self__", None)
        generator = getattr(owner, "gen", None)
        if isinstance(generator, GeneratorType):
            return generator, getattr(owner, "future", None)
    return None, None


def running_tasks() -> list[ShownTask]:
    """The tasks of the loop that runs in this thread, by name; none without a loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return []
    shown = []
    for task in sorted(asyncio.all_tasks(loop), key=lambda each: each.get_name()):
        frames = task.get_stack(limit=50)
        coroutine = getattr(task.get_coro(), "__qualname__", "")
        shown.append(ShownTask(f"{id(task):x}", f"{task.get_name()} {coroutine}", frames))
    return shown


def waiting_timers() -> list[ShownTimer]:
    """The timers of the loop that runs in this thread, the next one first.

    By a private name of asyncio's own loops: uvloop's timers cannot be seen.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return []
    timers = [timer for timer in getattr(loop, "_scheduled", ()) if not timer.cancelled()]
    return [
        ShownTimer(f"{id(timer):x}", name, timer.when() - loop.time(), where)
        for timer in sorted(timers, key=lambda each: each.when())
        for name, where in [_function_of(timer)]
    ]


def _function_of(handle: Any) -> tuple[str, str]:
    """Name and place of what a handle calls, out of partials, wrappers and bound methods."""
    function = getattr(handle, "_callback", None)
    arguments: Any = getattr(handle, "_args", None) or ()
    for _ in range(8):
        inner = getattr(function, "func", None)
        if inner is not None:
            arguments = getattr(function, "args", ())
        elif arguments and callable(arguments[0]):
            inner, arguments = arguments[0], ()  # Tornado's way: `_run_callback(callback)`
        if inner is None:
            break
        function = inner
    owner = getattr(function, "__self__", None)
    told = getattr(owner, "callback", None)
    kind = ""
    if callable(told):  # a PeriodicCallback: of the program's function, not of its own method
        function, kind = told, f"{type(owner).__name__} "
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    name = kind + str(getattr(function, "__qualname__", repr(function)))
    return name, "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"
