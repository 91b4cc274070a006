"""One request through one handler: checks, `prepare`, body, method, finish.

Knows the handler's hooks and their order; does not know what they do, nor how errors are
answered (`failures`). The coroutine below
runs in the task that serves the connection: trio's task in a native server, a driven one under
compat, so a hook may return whatever can be awaited there.
"""

from __future__ import annotations

from functools import partial
from sys import intern
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from .._util.late import later
from .._util.mistakes import awaitable, refuse_value
from ..errors import HTTPInputError, StreamClosedError
from ..log import app_log
from .errors import HTTPError
from .failures import answer_cause

if TYPE_CHECKING:
    import trio

    from ..exchange import Cause
    from ..wire.formdata import Steps
    from . import security
    from .handler import RequestHandler
else:
    security = later("tornado_trio.web.security", globals())
    trio = later("trio", globals())

# What routers pass on as it stands in the path.
_RAW = (bytes, str)

_FUNCTIONS = {name: intern(name.lower()) for name in ("GET", "POST", "PUT", "DELETE", "HEAD")}

SAFE_METHODS = frozenset(["GET", "HEAD", "OPTIONS"])


async def execute(handler: RequestHandler, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Run the whole request. Exceptions become responses; only cancellation propagates.

    One coroutine for all of it: each further one that calls the method costs 1 k instructions.

    Cancellation: the exchange has the handler answer when it knows why (`answer_cause`), where
    nothing was sent; `on_finish` runs in any case.
    """
    try:
        try:
            if handler._find_user is not None:
                handler.current_user = await handler._find_user()  # first of all, once
            method = handler.request.method
            if method not in handler.SUPPORTED_METHODS:
                raise HTTPError(405)
            if not handler._stream_request_body and "Content-Type" in handler.request.headers:
                # A double of a request has been given its arguments.
                steps = getattr(handler.request, "_parse_body_steps", None)
                if steps is not None:
                    await _parse_form(steps())
            if args or kwargs:
                kwargs = _decode_path(handler, args, kwargs)
            else:
                handler.path_args, handler.path_kwargs = [], kwargs
            if method not in SAFE_METHODS:
                _check_unsafe(handler)
            result: Any = handler.prepare()
            if result is not None:
                if type(result) is not CoroutineType:
                    result = awaitable(result, _where(handler, "prepare"))
                await result
            if not handler._finished and (
                not handler._stream_request_body
                or not handler._takes_chunks
                or await _feed_body(handler)
            ):
                name = _FUNCTIONS.get(method) or method.lower()
                args = handler.path_args  # type: ignore[assignment]
                if args or kwargs:
                    result = getattr(handler, name)(*args, **kwargs)
                else:
                    result = getattr(handler, name)()
                if result is not None:
                    if type(result) is not CoroutineType:
                        result = awaitable(result, _where(handler, name))
                    result = await result
                    if result is not None and handler._runs_on == "trio":
                        _check_returned(handler, name, result)
                if handler._auto_finish and not handler._finished:
                    handler.finish()
        except handler._answered_exceptions as exc:
            handler._handle_exception_guarded(exc)
    except BaseException:
        if not handler._finished and handler._auto_finish and not _answers_later(handler):
            abandon(handler)
        raise
    # With an unfinished response when the handler took the connection over, or when it means to
    # finish later (_auto_finish is false).
    if not handler._finished and handler._auto_finish:
        abandon(handler)


def _decode_path(
    handler: RequestHandler, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    decode = handler.decode_argument
    handler.path_args = decoded = []
    for arg in args:  # no comprehension: it costs 0.7 k instructions
        decoded.append(arg if arg is None else decode(arg))  # noqa: PERF401
    if kwargs:
        # Parts of a template come converted.
        kwargs = {k: decode(v, name=k) if type(v) in _RAW else v for k, v in kwargs.items()}
    handler.path_kwargs = kwargs
    return kwargs


def _check_unsafe(handler: RequestHandler) -> None:
    settings = handler.application.settings
    if settings.get("cross_origin_protection"):
        security.check_request_origin(handler)
    if settings.get("xsrf_cookies"):
        handler.check_xsrf_cookie()


def _answers_later(handler: RequestHandler) -> bool:
    set_responder = getattr(handler.request.connection, "set_error_responder", None)
    if handler._headers_written or set_responder is None:
        return False
    return bool(set_responder(partial(_answer, handler)))


def _answer(
    handler: RequestHandler, cause: Cause, status: int, error: BaseException | None
) -> None:
    """From the exchange, when all of the request's tasks are over."""
    if status and not handler._finished:
        answer_cause(handler, cause, status, error)
    if not handler._finished:
        abandon(handler)


def _where(handler: RequestHandler, method: str) -> str:
    return f"{type(handler).__qualname__}.{method}"


def _check_returned(handler: RequestHandler, method: str, value: Any) -> None:
    """Refuse what a method returned as its response: it would be lost without a word."""
    written = handler._write_buffer or handler._headers_written or handler._finished
    # `return self.finish(...)` returns an awaitable.
    if not written and handler._auto_finish and not hasattr(value, "__await__"):
        refuse_value(value, _where(handler, method))


async def _parse_form(steps: Steps) -> None:
    """Refuse a malformed form before `prepare`, with the handler's own error page.

    Others may run between the steps of a large one.
    """
    try:
        for _ in steps:
            await trio.lowlevel.checkpoint()
    except HTTPInputError as error:
        raise HTTPError(error.status, "Invalid body: %s", error) from error


async def _feed_body(handler: RequestHandler) -> bool:
    """Pass the body on as it arrives; `data_received` sets the pace.

    False if the method should not run: the client has gone, or the handler finished early
    (the server then closes the connection, or discards the rest).
    """
    body = handler._body_chunks()
    while True:
        try:
            chunk = await body.__anext__()
        except StopAsyncIteration:
            return True
        except StreamClosedError:
            return False  # on_connection_close has been called
        result: Any = handler.data_received(chunk)
        if result is not None:
            await awaitable(result, _where(handler, "data_received"))
        if handler._finished:
            return False


def abandon(handler: RequestHandler) -> None:
    """The response will not be completed: the hooks, and no output."""
    handler._finished = True
    connection = handler.request.connection
    if handler._close_callback_set and connection is not None:
        connection.set_close_callback(None)
    try:
        handler.on_finish()
    except Exception:
        app_log.error("Exception in on_finish", exc_info=True)
    handler._ui = None
