"""One request through one handler: checks, `prepare`, body, method, finish, errors.

Knows the handler's hooks and their order; does not know what they do. The coroutine below
runs in the task that serves the connection: trio's task in a native server, a driven one
under compat, so a hook may return anything its surroundings can await.
"""

from __future__ import annotations

import traceback
from types import CoroutineType
from typing import TYPE_CHECKING, Any

import trio

from .._util.mistakes import awaitable, explain_asyncio, refuse_value
from ..errors import HTTPInputError, PeerError, StreamClosedError, printable
from ..escape import xhtml_escape
from ..log import app_log, gen_log
from .errors import Finish, HTTPError
from .output import has_no_body
from .security import check_request_origin

if TYPE_CHECKING:
    from ..wire.formdata import Steps
    from .handler import RequestHandler

SAFE_METHODS = frozenset(["GET", "HEAD", "OPTIONS"])


async def execute(
    handler: RequestHandler, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Run the whole request. Exceptions become responses; only cancellation leaves.

    Cancellation: `on_finish` still runs; whoever cancelled answers the client, if anyone.
    """
    try:
        try:
            await _run(handler, args, kwargs)
        except handler._answered_exceptions as exc:
            handler._handle_exception_guarded(exc)
    finally:
        # Reached with an unfinished response when we were cancelled, when the handler took
        # the connection over, or when it means to finish later (_auto_finish is false).
        if not handler._finished and handler._auto_finish:
            abandon(handler)


async def _run(handler: RequestHandler, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    method = handler.request.method
    if method not in handler.SUPPORTED_METHODS:
        raise HTTPError(405)
    if not handler._stream_request_body:
        # A double of a request has been given its arguments.
        steps = getattr(handler.request, "_parse_body_steps", None)
        if steps is not None and "Content-Type" in handler.request.headers:
            await _parse_form(steps())
    if args:
        handler.path_args = [arg if arg is None else handler.decode_argument(arg) for arg in args]
    else:
        handler.path_args = []
    handler.path_kwargs = kwargs = (
        {
            k: v if v is None else handler.decode_argument(v, name=k) for k, v in kwargs.items()
        }
        if kwargs
        else {}
    )
    if method not in SAFE_METHODS:
        settings = handler.application.settings
        if settings.get("cross_origin_protection"):
            check_request_origin(handler)
        if settings.get("xsrf_cookies"):
            handler.check_xsrf_cookie()
    result: Any = handler.prepare()
    if result is not None:
        if type(result) is not CoroutineType:
            result = awaitable(result, _where(handler, "prepare"))
        await result
    if handler._finished:
        return
    if handler._stream_request_body and handler._takes_chunks and not await _feed_body(handler):
        return
    result = getattr(handler, method.lower())(*handler.path_args, **kwargs)
    if result is not None:
        if type(result) is not CoroutineType:
            result = awaitable(result, _where(handler, method.lower()))
        result = await result
        if result is not None and handler._runs_on == "trio":
            _check_returned(handler, method.lower(), result)
    if handler._auto_finish and not handler._finished:
        handler.finish()


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
            return False  # on_connection_close has been told
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


# --- errors ------------------------------------------------------------------------------


def handle_exception_guarded(handler: RequestHandler, exc: BaseException) -> None:
    """`_handle_request_exception`, whose own bugs must not reach the server."""
    try:
        handler._handle_request_exception(exc)
    except Exception:
        app_log.error("Exception in exception handler", exc_info=True)
        if not handler._finished:
            _give_up(handler)


def handle_exception(handler: RequestHandler, exc: BaseException) -> None:
    """Log an exception of the handler and answer it."""
    if isinstance(exc, Finish):
        if not handler._finished:
            handler.finish(*exc.args)
        return
    exc_info = (type(exc), exc, exc.__traceback__)
    try:
        handler.log_exception(*exc_info)
    except Exception:
        app_log.error("Error in exception logger", exc_info=True)
    if handler._finished:
        return  # answered already; there is nothing more to tell the client
    if handler._headers_written and _client_left(handler, exc):
        _give_up(handler)
        return
    try:
        handler.send_error(status_of(exc), exc_info=exc_info)
    finally:
        del exc_info  # holds this frame through the traceback


def _client_left(handler: RequestHandler, exc: BaseException | None) -> bool:
    """That is its right, and no error. (A stream of the program's own that breaks is one.)"""
    return (
        isinstance(exc, StreamClosedError)
        and not handler._log_disconnects
        and getattr(handler.request.connection, "gone", None) is not None
    )


def status_of(exc: BaseException) -> int:
    if isinstance(exc, HTTPError):
        return exc.status_code
    return exc.status if isinstance(exc, PeerError) else 500


def _log_http_error(handler: RequestHandler, error: HTTPError) -> None:
    """Its message in one line, whatever of the client's is in it."""
    message = error.log_message
    if not message:
        return
    arguments: tuple[Any, ...] = error.args
    try:
        text = message % arguments
    except (TypeError, ValueError):
        pass  # the program's mistake, which `logging` reports
    else:
        if (clean := printable(text)) != text:
            message, arguments = "%s", (clean,)
    gen_log.warning(
        "%d %s: " + message, error.status_code, handler._request_summary(), *arguments
    )


def log_exception(
    handler: RequestHandler,
    typ: type[BaseException] | None,
    value: BaseException | None,
    tb: Any,
) -> None:
    """Expected errors in one line, all others with their traceback."""
    if isinstance(value, HTTPError):
        _log_http_error(handler, value)
    elif isinstance(value, PeerError):
        gen_log.warning("%d %s: %s", value.status, handler._request_summary(), value)
    elif _client_left(handler, value):
        gen_log.debug("%s: client has gone", handler._request_summary())
    else:
        if value is not None:
            explain_asyncio(value, _where(handler, str(handler.request.method).lower()))
        app_log.error(
            "Uncaught exception %s\n%r",
            handler._request_summary(),
            handler.request,
            exc_info=(typ, value, tb),  # type: ignore[arg-type]
        )


def send_error(handler: RequestHandler, status_code: int, kwargs: dict[str, Any]) -> Any:
    """Replace whatever was written by an error response and finish it."""
    if handler._headers_written:
        gen_log.error("Cannot send error response after headers written")
        if not handler._finished:
            # All we can do is to end the response in a way that the client sees is wrong:
            # this closes the connection when a Content-Length is not met.
            try:
                return handler.finish()
            except Exception:
                gen_log.error("Failed to flush partial response", exc_info=True)
                _give_up(handler)
        return None
    handler.clear()
    reason = kwargs.get("reason")
    if "exc_info" in kwargs:
        exc = kwargs["exc_info"][1]
        if isinstance(exc, HTTPError) and exc.reason:
            reason = exc.reason
    handler.set_status(status_code, reason=reason)
    if status_code == 405 and "Allow" not in handler._headers:
        handler.set_header("Allow", ", ".join(allowed_methods(handler)))  # RFC 9110 15.5.6
    try:
        handler.write_error(status_code, **kwargs)
    except Exception:
        app_log.error("Uncaught exception in write_error", exc_info=True)
    if not handler._finished:
        if has_no_body(status_code):
            handler._write_buffer = []
        return handler.finish()
    return None


def _give_up(handler: RequestHandler) -> None:
    """The response cannot be completed, and why has been logged: close, and log the request."""
    handler._give_up()
    handler.request.connection.logged = True
    handler._log()


def allowed_methods(handler: RequestHandler) -> list[str]:
    """The methods a handler implements."""
    cls = type(handler)
    missing = cls._unimplemented_method
    return [m for m in cls.SUPPORTED_METHODS if getattr(cls, m.lower(), missing) is not missing]


def write_error(handler: RequestHandler, status_code: int, kwargs: dict[str, Any]) -> None:
    """The default error page, or the traceback where the application serves those."""
    if has_no_body(status_code):
        handler.finish()  # HTTPError(204) and (304) end a request with nothing
        return
    if handler.settings.get("serve_traceback") and "exc_info" in kwargs:
        handler.set_header("Content-Type", "text/plain")
        for line in traceback.format_exception(*kwargs["exc_info"]):
            handler.write(line)
        handler.finish()
        return
    text = f"{status_code}: {xhtml_escape(handler._reason)}"
    handler.finish(f"<html><title>{text}</title><body>{text}</body></html>")
