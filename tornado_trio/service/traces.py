"""The program's part of a traceback. Knows frames and the names of modules."""

from __future__ import annotations

import traceback
from types import TracebackType

__all__ = ["program_part", "show"]

# What lies between the interpreter and a program's `main`, or its import.
_MACHINERY = frozenset(
    ("tornado_trio", "trio", "outcome", "asyncio", "uvloop", "importlib", "runpy")
    + ("_frozen_importlib", "_frozen_importlib_external", "contextlib")
)


def program_part(error: BaseException) -> TracebackType | None:
    """The traceback of `error` from the first frame of the program on; all of it if there is
    none."""
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] not in _MACHINERY:
            return trace
        trace = trace.tb_next
    return error.__traceback__


def show(error: BaseException) -> str:
    """`error` as the interpreter would show it, without the frames that led to the program."""
    return "".join(traceback.format_exception(type(error), error, program_part(error)))
