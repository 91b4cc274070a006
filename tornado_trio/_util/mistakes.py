"""Error messages for arguments of a wrong kind: what is wrong, where it was passed, and the remedy.

Knows what callables, awaitables and applications look like from outside; used only at setup or
after a failure, never on the path of a good request.
"""

from __future__ import annotations

import inspect
import sys
from types import CoroutineType
from typing import Any

from .late import in_trio_task
from .troubles import Trouble

__all__ = [
    "asyncio_runs",
    "awaitable",
    "calling_line",
    "check_app",
    "explain_asyncio",
    "name_of",
    "require_trio",
    "takes",
    "takes_one",
]


def name_of(thing: Any) -> str:
    """What `thing` is called in the program."""
    named = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    return named if isinstance(named, str) else repr(thing)


def require_trio(what: str, how: str) -> None:
    """RuntimeError unless the caller is a task of trio; `how` says what to write instead."""
    if in_trio_task():
        return
    running = ", and asyncio's loop is running" if asyncio_runs() else ""
    raise RuntimeError(
        f"{what} needs trio, which is not running here{running}: {how} {Trouble.NEEDS_TRIO}"
    )


def asyncio_runs() -> bool:
    """Whether asyncio's loop runs in this thread, so that it may be awaited."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def calling_line() -> str:
    """The line of the program that led here, as "file:line in function"; "" if it is none's."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] not in _OURS:
            code = frame.f_code
            return f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""


_OURS = ("tornado_trio", "tornado", "compat")


def takes_one(function: Any) -> bool:
    """Whether `function` can be called with one argument, as far as its signature tells."""
    return takes(function, 1)


def takes(function: Any, count: int) -> bool:
    """Whether `function` can be called with so many arguments, as far as its signature tells."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True  # of C, perhaps
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def check_app(app: Any, caller: str) -> None:
    """TypeError, with the remedy, if `app` cannot be called with an `Exchange`."""
    if isinstance(app, type):
        name = app.__name__
        if hasattr(app, "SUPPORTED_METHODS"):
            remedy = f"is a handler class: web.Application([(r'/', {name})]) routes requests to it"
        else:
            remedy = f"is a class: pass an instance, {name}(...)"
        raise TypeError(f"{caller} serves an application, and {name} {remedy}")
    if isinstance(app, (list, tuple, dict)):
        raise TypeError(
            f"{caller} serves an application: make one of these rules, web.Application([...])"
        )
    if refusal := getattr(app, "_native_refusal", None):
        raise TypeError(f"{caller}: {refusal}")
    if not callable(app):
        raise TypeError(
            f"{caller} serves an application, or an async function over an exchange, "
            f"and not {app!r} {Trouble.NOT_AN_APPLICATION}"
        )
    if not takes_one(app):
        raise TypeError(
            f"{caller} calls its application with one argument, an Exchange, and "
            f"{name_of(app)} takes others (ASGI and WSGI applications do) "
            f"{Trouble.NOT_AN_APPLICATION}"
        )


def awaitable(result: Any, where: str) -> Any:
    """`result` if it can be awaited; otherwise TypeError, which says what `where` did wrong."""
    if type(result) is CoroutineType or hasattr(result, "__await__"):
        return result
    if inspect.isawaitable(result):  # a generator of types.coroutine
        return result
    if inspect.isgenerator(result):
        mistake = "is a generator: make it async def, with await for yield, or a gen.coroutine"
    elif inspect.isasyncgen(result):
        mistake = "has a yield, which makes it an async generator: write() what it yields"
    else:
        mistake = f"returned {_shown(result)}; what is to be sent is given to write() or finish()"
    raise TypeError(f"{where} {mistake} {Trouble.HANDLER_RESULT}")


def refuse_value(value: Any, where: str) -> None:
    """TypeError for a value that a coroutine returned where it would be dropped."""
    raise TypeError(
        f"{where} returned {_shown(value)}; what is to be sent is given to write() or finish() "
        f"{Trouble.HANDLER_RESULT}"
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


_IN_ITS_TASK = (
    "has trio's waits in a task of asyncio's (create_task, gather, TaskGroup), which they do not "
    "work in"
)
_ON_TRIO = "runs on trio, where asyncio's waits do not work"


def explain_asyncio(error: BaseException, where: str) -> None:
    """Add a note, once, to an `error` of waiting for asyncio in a task of trio's."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            explain_asyncio(inner, where)
    elif any(_ON_TRIO in n or _IN_ITS_TASK in n for n in getattr(error, "__notes__", ())):
        pass  # closer to where it arose
    elif asyncio_runs() and _is_trios(error):
        error.add_note(f"{where} {_IN_ITS_TASK}: start it in a nursery, or await it directly")
    elif not asyncio_runs() and _is_asyncios(error):
        error.add_note(
            f"{where} {_ON_TRIO}: use trio's (trio.sleep, "
            "trio.Event, trio.fail_after, trio.open_memory_channel), or have the service hosted "
            "by asyncio's loop, where both work: tornado_trio.run(main, asyncio=True), "
            "`tornado-trio serve --asyncio`, or TORNADO_TRIO_ASYNCIO=1 "
            f"{Trouble.ASYNCIO_WAITS}"
        )


def _is_trios(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and str(error).startswith(
        (
            "must be called from async context",  # its own words, and asyncio's of what it yields
            "Task got bad yield: <class 'trio.",
            "Task got bad yield: WaitTaskRescheduled(",
        )
    )


def _is_asyncios(error: BaseException) -> bool:
    if isinstance(error, TypeError) and "unrecognized yield message" in str(error):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not isinstance(error, (RuntimeError, AttributeError)):
        return False
    module: str = trace.tb_frame.f_globals.get("__name__") or ""
    return module.partition(".")[0] == "asyncio" or "no running event loop" in str(error)
