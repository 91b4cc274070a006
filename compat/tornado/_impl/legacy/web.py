"""`tornado.web` as it was until Tornado 5: `asynchronous`, callbacks of requests.

Knows handlers; `stack_context` is loaded when a program first decorates a method, since its
presence changes what an error in a callback means (see `tornado.testing`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tornado._impl.generation import old_idiom

__all__ = ["asynchronous", "call_when_flushed", "error_html", "guarded_callback"]


def asynchronous(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a handler's method whose request ends with `self.finish()`, not on return.

    Callbacks that the method registers, and those that they register, belong to the request:
    an exception in one becomes its error page. If the method returns something to await, the
    request is finished when that is done, as without the decorator.
    """
    old_idiom("@asynchronous")
    from tornado.gen import convert_yielded
    from tornado.stack_context import ExceptionStackContext

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._auto_finish = False
        with ExceptionStackContext(self._stack_context_handle_exception, delay_warning=True):
            result = method(self, *args, **kwargs)
            if result is not None:
                return _finish_after(self, convert_yielded(result))
        return None

    return wrapper


async def _finish_after(handler: Any, result: Any) -> None:
    await result
    if not handler._finished:
        handler.finish()


def call_when_flushed(future: Any, callback: Callable[[], Any]) -> None:
    """`flush(callback=)`: call back when what was written is on its way."""
    old_idiom("flush(callback=)")
    from tornado.ioloop import IOLoop

    def done(future: Any) -> None:
        # Not when it failed: on_connection_close reports a client that has gone.
        if not future.cancelled() and future.exception() is None:
            callback()

    loop = IOLoop.current()
    assert loop is not None
    loop.add_future(future, done)


def guarded_callback(
    handler: Any, callback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """`async_callback`: a callback whose errors are the request's. None stays None."""
    if callback is None:
        return None
    old_idiom("async_callback")
    if args or kwargs:
        callback = functools.partial(callback, *args, **kwargs)

    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except Exception as error:
            handler._handle_request_exception(error)
            return None

    return guarded


def error_html(get_error_html: Callable[..., Any], status_code: int, kwargs: dict[str, Any]) -> Any:
    """The error page of a handler that has `get_error_html`, which got the exception itself."""
    old_idiom("get_error_html")
    if "exc_info" in kwargs:
        kwargs["exception"] = kwargs.pop("exc_info")[1]
    return get_error_html(status_code, **kwargs)
