"""The current task of a loop in asyncio's registry, also for stand-in loops.

Up to Python 3.13 asyncio accepts a current task for any loop. 3.14 has one entry per thread, for
its running loop, and refuses others, such as the stand-in of a plain trio run: those are kept here.
"""

from __future__ import annotations

import asyncio
from asyncio import tasks
from collections.abc import Callable
from typing import cast

Record = Callable[[object, object], None]
Current = Callable[[object], object]


def for_any_loop(enter: Record, leave: Record, current: Current) -> tuple[Record, Record, Current]:
    """asyncio's functions, made to serve loops that do not run as well."""
    others: dict[object, object] = {}

    def enter_any(loop: object, task: object) -> None:
        if asyncio._get_running_loop() is loop:
            enter(loop, task)
        elif (entered := others.setdefault(loop, task)) is not task:
            raise RuntimeError(f"cannot enter {task!r} while {entered!r} is being run")

    def leave_any(loop: object, task: object) -> None:
        if others.get(loop) is task:
            del others[loop]
        else:
            leave(loop, task)

    def current_any(loop: object) -> object:
        return others[loop] if loop in others else current(loop)

    return enter_any, leave_any, current_any


def _serve_any_loop(enter: Record, leave: Record) -> bool:
    loop, task = object(), object()
    try:
        enter(loop, task)
    except RuntimeError:
        return False
    leave(loop, task)
    return True


enter_task = cast(Record, tasks._enter_task)
leave_task = cast(Record, tasks._leave_task)
current_task = cast(Current, tasks.current_task)
if not _serve_any_loop(enter_task, leave_task):
    enter_task, leave_task, current_task = for_any_loop(enter_task, leave_task, current_task)
