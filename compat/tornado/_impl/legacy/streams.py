"""The callback interfaces of `tornado.iostream` before Tornado 6.

`callback=` arguments are built on the Futures of the current interface. As they did then, a
callback is not called if the stream closes first: that is what `set_close_callback` is for. An
exception in a callback closes the stream.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from tornado._impl.generation import old_idiom
from tornado._impl.streams.errors import StreamClosedError
from tornado.log import app_log, gen_log

P = ParamSpec("P")
T = TypeVar("T")
_NONE: Any = object()  # no argument


def with_callback(
    *after: str, leading: int = 1, result: bool = True, failure: str | None = None
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a method of a stream be called as in Tornado 4, with a callback.

    Args:
      after: the positional arguments that then followed `callback`, in order.
      leading: how many came before it: one or none.
      result: whether the callback gets the result.
      failure: logged with the error when there will be no call back.

    The callback is distinguished from today's second argument by being callable, so both ways of
    calling work side by side.
    """
    names = ("callback", *after)

    def decorate(method: Any) -> Any:
        def call(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            extra = args[leading:]
            if not (
                "callback" in kwargs
                or "streaming_callback" in kwargs
                or (extra and (callable(extra[0]) or len(extra) > 1))
            ):
                return method(self, *args, **kwargs)
            old_idiom(f"callback= argument of {method.__name__}")
            kwargs.update(zip(names, extra, strict=False))
            callback = kwargs.pop("callback", None)
            streaming = kwargs.pop("streaming_callback", None)
            if streaming is not None:
                return _pump(self, args[:leading], callback, streaming)
            future = method(self, *args[:leading], **kwargs)
            if callback is None:
                return future
            _then(self, future, callback, result, failure)
            return None

        # Nearly all calls have the leading arguments and no others: passed on one by one.
        @functools.wraps(method)
        def of_one(self: Any, first: Any = _NONE, /, *args: Any, **kwargs: Any) -> Any:
            if first is _NONE:
                return call(self, args, kwargs)
            if args or "callback" in kwargs or "streaming_callback" in kwargs:
                return call(self, (first, *args), kwargs)
            return method(self, first, **kwargs) if kwargs else method(self, first)

        @functools.wraps(method)
        def of_none(self: Any, *args: Any, **kwargs: Any) -> Any:
            return call(self, args, kwargs) if args or kwargs else method(self)

        return of_one if leading else of_none

    return decorate


def _then(
    stream: Any,
    future: Any,
    callback: Callable[..., Any],
    with_result: bool,
    failure: str | None = None,
) -> None:
    def done(future: Any) -> None:
        if future.cancelled() or getattr(stream.io_loop, "closing", False):
            return  # a loop that is being closed runs its tasks to their end, and no callbacks
        if future.exception() is not None:
            if failure is not None:
                gen_log.warning("%s: %s", failure, stream.error)
            return
        try:
            callback(future.result()) if with_result else callback()
        except Exception as exc:
            app_log.error("Uncaught exception, closing connection.", exc_info=True)
            stream.close(exc_info=exc)
            raise

    stream.io_loop.add_future(future, done)


def _pump(stream: Any, size: tuple[Any, ...], callback: Any, streaming_callback: Any) -> Any:
    """Read `size` bytes (none given: to the end) and hand chunks on as they come."""
    from tornado._impl.loop.tasks import run_task

    async def pump() -> bytes:
        left = size[0] if size else None
        while left is None or left > 0:
            try:
                chunk = await stream.read_bytes(
                    stream.max_buffer_size if left is None else left, partial=True
                )
            except StreamClosedError:
                if left is None:
                    break
                raise
            if left is not None:
                left -= len(chunk)
            try:
                streaming_callback(chunk)
            except Exception as exc:
                app_log.error("Uncaught exception, closing connection.", exc_info=True)
                stream.close(exc_info=exc)
                raise
        return b""

    future = run_task(pump())
    if callback is None:
        return future
    _then(stream, future, callback, True)
    return None


def keep_context(callback: Any) -> Any:
    """A callback that will run in the stack contexts of now, if the program uses any."""
    stack_context = sys.modules.get("tornado._impl.legacy.contexts")
    if stack_context is None or callback is None:
        return callback
    return stack_context.wrap(callback)


def adapt_read_from_fd(cls: type) -> None:
    """Let a class have the `read_from_fd` of Tornado 4, which returns a chunk or None."""
    method = cls.__dict__.get("read_from_fd")
    if not inspect.isfunction(method) or len(inspect.signature(method).parameters) != 1:
        return

    @functools.wraps(method)
    def read_from_fd(self: Any, buf: Any) -> int | None:
        chunk = method(self)
        if chunk is None:
            return None
        room = len(buf)
        buf[: min(len(chunk), room)] = chunk[:room]
        if len(chunk) > room:  # it read as much as it liked
            self._received.append(chunk[room:])
        return min(len(chunk), room)

    cls.read_from_fd = read_from_fd  # type: ignore[attr-defined]
