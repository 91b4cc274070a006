"""`tornado.concurrent` as it was until Tornado 5: `return_future`.

Knows Futures and stack contexts; reached through attributes of `tornado.concurrent`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tornado._impl.generation import old_idiom
from tornado.concurrent import (
    Future,
    ReturnValueIgnoredError,
    future_set_exc_info,
)
from tornado.ioloop import IOLoop
from tornado.stack_context import ExceptionStackContext, wrap
from tornado.util import ArgReplacer

__all__ = ["return_future"]


def return_future(f: Callable[..., Any]) -> Callable[..., Future]:
    """Make a function that takes `callback` return a Future of what it calls back with.

    The callback may still be given; it is called when the Future is done. Exceptions of `f`
    itself are raised at once, those of callbacks that it registers are the Future's.
    """
    old_idiom("return_future")
    replacer = ArgReplacer(f, "callback")

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Future:
        future = Future()
        answer: tuple[Any, ...] = ()

        def finished(*result: Any) -> None:
            nonlocal answer
            if not future.done():
                answer = result
                future.set_result(result[0] if result else None)

        callback, positional, kwargs = replacer.replace(finished, args, kwargs)

        def failed(*exc_info: Any) -> bool:
            if not future.done():
                future_set_exc_info(future, exc_info)
            return True

        raised = True
        with ExceptionStackContext(failed, delay_warning=True):
            result = f(*positional, **kwargs)
            raised = result is not None
            if result is not None:
                raise ReturnValueIgnoredError(
                    "@return_future should not be used with functions that return values"
                )
        if raised:
            future.result()  # at once, to the caller: it may never look at the Future
        if callback is not None:
            callback = wrap(callback)

            def tell(done: Future) -> None:
                done.result()  # an error is the business of the caller's stack context
                callback(*answer)

            IOLoop.current().add_future(future, tell)
        return future

    return wrapper
