"""What a coroutine may yield, and several of them at once.

Knows Futures, the current loop's tasks, and nothing of generators. `tornado.gen` re-exports it.
"""

from __future__ import annotations

import asyncio
import functools
import types
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from inspect import isawaitable
from typing import Any, Protocol, cast

from tornado._impl.loop.current import current_loop
from tornado._impl.loop.tasks import make_task
from tornado.concurrent import Future, is_future
from tornado.log import app_log


class KeyReuseError(Exception):
    """A key of the callback protocol was used twice."""


class UnknownKeyError(Exception):
    """A key of the callback protocol was waited for that was not registered."""


class LeakedCallbackError(Exception):
    """A generator ended with callbacks that it never waited for."""


class ReturnValueIgnoredError(Exception):
    """A value was returned where it could not be received."""


class BadYieldError(Exception):
    """A coroutine yielded what cannot be waited for."""


class _NullFuture:
    """Stands for a Future that needs no waiting: nothing to schedule, nothing to hold."""

    def result(self) -> None:
        return None

    def done(self) -> bool:
        return True

    def __await__(self) -> Generator[None, None, None]:
        yield  # one turn of the loop


#: Yielded, it lets the loop run for one turn.
moment: Any = _NullFuture()
_null_future: Any = _NullFuture()


def _convert_other(yielded: Any) -> Any:
    """Everything but Futures: what `convert_yielded` dispatches on by type."""
    if isinstance(yielded, (list, dict)):
        return multi(yielded)
    if isawaitable(yielded):
        return make_task(yielded)
    raise BadYieldError(f"yielded unknown object {yielded!r}")


_by_type = functools.singledispatch(_convert_other)
_taught = _by_type.registry  # `object`, and what programs add


class _Converter(Protocol):
    register: Any
    dispatch: Any
    registry: Any

    def __call__(self, yielded: Any) -> Any: ...


def _teachable(function: Any) -> _Converter:
    function.register = _by_type.register
    function.dispatch = _by_type.dispatch
    function.registry = _by_type.registry
    return cast(_Converter, function)


@_teachable
def convert_yielded(yielded: Any) -> Any:
    """What a coroutine may yield, as a Future.

    Futures of any kind, awaitables, lists and dicts of them, None (one turn of the loop).
    More types can be taught with `convert_yielded.register(type, function)`, as with
    `functools.singledispatch`. Raises `BadYieldError` for anything else.
    """
    if is_future(yielded):
        return yielded
    if yielded is None or yielded is moment:
        return moment
    if yielded is _null_future:
        return yielded
    if plain_coroutine(yielded):
        return make_task(yielded)  # as below, without the search by type (0.7 µs)
    return _by_type(yielded)


def plain_coroutine(yielded: Any) -> bool:
    """Whether it is an `async def`'s coroutine, and no program taught us to convert those."""
    return type(yielded) is types.CoroutineType and len(_taught) == 1


# --- several at once -----------------------------------------------------------------------
QuietExceptions = type[Exception] | tuple[type[Exception], ...]


def multi(
    children: Sequence[Any] | Mapping[Any, Any], quiet_exceptions: QuietExceptions = ()
) -> Any:
    """Wait for a list or dict of awaitables in parallel; a Future of their results.

    The first exception (in their order) is raised. Others are logged, but for those of
    `quiet_exceptions`.
    """
    return multi_future(children, quiet_exceptions=quiet_exceptions)


Multi = multi


def multi_future(
    children: Sequence[Any] | Mapping[Any, Any], quiet_exceptions: QuietExceptions = ()
) -> Future:
    """`multi`, under its name of Tornado 4."""
    keys: list[Any] | None = None
    items: Iterable[Any]
    if isinstance(children, dict):
        keys, items = list(children), children.values()
    else:
        items = children
    futures = [convert_yielded(child) for child in items]
    for future in futures:
        if not (is_future(future) or isinstance(future, _NullFuture)):
            raise BadYieldError(f"not a future: {future!r}")
    pending = {future for future in futures if not isinstance(future, _NullFuture)}
    result = Future()

    def child_done(future: Any) -> None:
        pending.discard(future)
        if not pending:
            _collect(futures, keys, result, quiet_exceptions)

    if not pending:
        _collect(futures, keys, result, quiet_exceptions)
    for future in list(pending):
        _when_done(future, child_done)
    return result


def _when_done(future: Any, callback: Callable[[Any], None]) -> None:
    """Call back when `future` is done (now, if it is), in this thread, whichever thread finishes
    it."""
    if future.done():
        callback(future)
    elif isinstance(future, asyncio.Future):
        future.add_done_callback(callback)
    else:
        current_loop().add_future(future, callback)


def _collect(
    futures: list[Any], keys: list[Any] | None, result: Future, quiet: QuietExceptions
) -> None:
    """Give `result` the values of `futures`, all done, or their first exception."""
    values = []
    for future in futures:
        try:
            values.append(future.result())
        except (Exception, asyncio.CancelledError) as exc:
            if not result.done():
                result.set_exception(exc)
            elif not isinstance(exc, (asyncio.CancelledError, quiet)):
                app_log.error("Multiple exceptions in yield list", exc_info=True)
    if not result.done():
        result.set_result(dict(zip(keys, values, strict=True)) if keys is not None else values)


for _class in (
    BadYieldError,
    KeyReuseError,
    LeakedCallbackError,
    ReturnValueIgnoredError,
    UnknownKeyError,
    _NullFuture,
):
    _class.__module__ = "tornado.gen"
