"""The sign-in mixins as they were until Tornado 6: ``callback=`` arguments, an eager start.

Knows Futures, the loop, and the one hook of a handler that takes exceptions; `tornado.auth` puts
it around its methods. What of this collides with Tornado 6 is left out:
``authenticate_redirect`` returns None, not a Future.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from tornado._impl.generation import before, old_idiom
from tornado._impl.loop.tasks import run_task
from tornado.concurrent import Future, future_add_done_callback, future_set_exc_info
from tornado.stack_context import ExceptionStackContext
from tornado.util import ArgReplacer

from tornado_trio.oauth import AuthError, oauth1

__all__ = ["callbacks", "user_by_callback"]

log = logging.getLogger("tornado.general")

_Class = TypeVar("_Class", bound=type)


def callbacks(*names: str) -> Callable[[_Class], _Class]:
    """A class decorator: the named methods take a callback, by keyword or where it used to
    stand among the arguments, and coroutines of them start without being awaited."""

    def decorate(cls: _Class) -> _Class:
        for name in names:
            setattr(cls, name, _accepts_callback(getattr(cls, name)))
        return cls

    return decorate


def _accepts_callback(method: Callable[..., Any]) -> Callable[..., Any]:
    asynchronous = inspect.iscoroutinefunction(method)

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        args, callback = _take_callback(args, kwargs)
        if callback is not None:
            old_idiom(f"callback= argument of {method.__name__}")
        if not asynchronous:
            result = method(self, *args, **kwargs)
            if callback is not None:
                _call(self, callback, result)
            return result
        # A Future serves those who await the call as well as those who ignore what it
        # returns, as programs for Tornado 5 may.
        call = method(self, *args, **kwargs)
        if before(6):
            call = _with_auth_errors(call)
        future = run_task(call)
        if callback is not None:
            future_add_done_callback(future, functools.partial(_report, self, callback))
        return future

    return wrapper


async def _with_auth_errors(call: Any) -> Any:
    """Requests to a provider that failed were `AuthError`s, with this text."""
    from tornado.httpclient import HTTPError

    try:
        return await call
    except HTTPError as error:
        url = "" if error.response is None else f" fetching {error.response.effective_url}"
        raise AuthError(f"Error response {error}{url}") from error


def _take_callback(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], Callable[[Any], Any] | None]:
    """The other positional arguments, and the callback if there is one.

    No argument of these methods is callable in Tornado 6 (an HTTP client that is has a
    `fetch`), so a callable can only be the callback that once stood there.
    """
    if "callback" in kwargs:
        return args, kwargs.pop("callback")
    for number, value in enumerate(args):
        if callable(value) and not hasattr(value, "fetch"):
            return args[:number] + args[number + 1 :], value
    return args, None


def _report(handler: Any, callback: Callable[[Any], Any], future: Future) -> None:
    """Give the callback the result: None when the sign-in or the request to the provider failed."""
    from tornado.httpclient import HTTPError

    if future.cancelled():
        return
    error = future.exception()
    if error is None:
        _call(handler, callback, future.result())
    elif isinstance(error, (AuthError, HTTPError)):
        log.warning("%s%s", "" if before(6) else "Sign-in failed: ", error)
        _call(handler, callback, None)
    else:
        _fail(handler, error)


def _call(handler: Any, callback: Callable[[Any], Any], result: Any) -> None:
    try:
        callback(result)
    except Exception as error:
        _fail(handler, error)


def _fail(handler: Any, error: BaseException) -> None:
    """An error in a callback is the error of the request that made it."""
    handle = getattr(handler, "_handle_request_exception", None)
    if handle is None or getattr(handler, "_finished", False):
        log.error("Uncaught exception in a sign-in", exc_info=error)
    else:
        handle(error)


def user_by_callback(
    get_user: Callable[[Any, Callable[[Any], None]], Any], access_token: dict[str, Any]
) -> Future:
    """The user, from the ``_oauth_get_user(access_token, callback)`` of an older subclass."""
    future: Future = Future()

    def done(user: Any) -> None:
        if not future.done():
            future.set_result(user)

    get_user(access_token, done)
    return future


def _oauth_signature(
    consumer: oauth1.Token,
    method: str,
    url: str,
    parameters: dict[str, Any] | None = None,
    token: oauth1.Token | None = None,
) -> bytes:
    """The signature of OAuth 1.0."""
    return oauth1.signature(consumer, method, url, parameters or {}, token, version="1.0")


def _auth_return_future(method: Callable[..., Any]) -> Callable[..., Future]:
    """Decorate a method of a program's own mixin: its `callback` argument is a Future to it.

    The caller gets that Future; one who gave a callback has it called with the result, or with
    None when the sign-in failed, as with this module's own methods.
    """
    replacer = ArgReplacer(method, "callback")

    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Future:
        future = Future()
        callback, positional, kwargs = replacer.replace(future, args, kwargs)
        if callback is not None:
            handler = args[0] if args else None
            future_add_done_callback(future, functools.partial(_report, handler, callback))

        def failed(*exc_info: Any) -> bool:
            if future.done():
                return False
            future_set_exc_info(future, exc_info)
            return True

        with ExceptionStackContext(failed, delay_warning=True):
            method(*positional, **kwargs)
        return future

    return wrapper
