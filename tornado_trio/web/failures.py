"""Requests that fail: their response, their log line, and how both go through the handler.

Knows handlers, their hooks and the application's `errors`. Must not know servers: the exchange
calls `answer_cause` with the reason when a request is ended from outside.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from .._util.groups import consists_of, sole
from .._util.mistakes import explain_asyncio, name_of
from ..errors import Disconnected, PeerError, printable
from ..escape import xhtml_escape
from ..log import app_log, gen_log
from .errors import Finish, HTTPError
from .output import has_no_body

if TYPE_CHECKING:
    from ..exchange import Cause
    from .handler import RequestHandler

#: What an application answers exceptions of a type with: a status, the class of a handler whose
#: `write_error` is used, or a function of the handler and the exception.
ErrorAnswer: TypeAlias = Union[
    int, "type[RequestHandler]", "Callable[[RequestHandler, BaseException], object]"
]
ErrorAnswers: TypeAlias = Mapping[type[BaseException], ErrorAnswer]


def check_answers(answers: ErrorAnswers) -> dict[type[BaseException], ErrorAnswer]:
    """A copy; TypeError or ValueError that names the entry if it is invalid."""
    for kind, answer in answers.items():
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise TypeError(f"errors: {kind!r} is no class of exceptions")
        what = f"errors: the answer to {kind.__name__}"
        if isinstance(answer, bool) or not (isinstance(answer, int) or callable(answer)):
            raise TypeError(f"{what} is a status, a handler class or a function, not {answer!r}")
        if isinstance(answer, int) and not 300 <= answer <= 599:
            raise ValueError(f"{what} is a status from 300 to 599, not {answer}")
        if inspect.iscoroutinefunction(answer):
            raise TypeError(
                f"{what}, {name_of(answer)}, is `async def`; the request's time may be up, so "
                "it has to answer without waiting: make it a plain function"
            )
    return dict(answers)


def answer_cause(
    handler: RequestHandler, cause: Cause, status: int, error: BaseException | None
) -> None:
    """Answer a request that the server ended, with the handler's own error page for that cause."""
    handler._cause = cause
    if error is not None:
        handler._handle_exception_guarded(error)
        return
    try:
        handler.send_error(status, cause=cause)
    except Exception:
        app_log.error("Exception in exception handler", exc_info=True)
        if not handler._finished:
            give_up(handler)


def handle_exception_guarded(handler: RequestHandler, exc: BaseException) -> None:
    """`_handle_request_exception`, whose own bugs must not reach the server."""
    try:
        handler._handle_request_exception(exc)
    except Exception:
        app_log.error("Exception in exception handler", exc_info=True)
        if not handler._finished:
            give_up(handler)


def handle_exception(handler: RequestHandler, exc: BaseException) -> None:
    """Log an exception of the handler and answer it."""
    exc = _out_of_group(handler, exc)
    if isinstance(exc, Finish):
        if not handler._finished:
            handler.finish(*exc.args)
        return
    answer = _mapped(handler, exc)
    if isinstance(answer, int):
        exc, answer = _as_http_error(exc, answer), None
    note = getattr(handler.request.connection, "note_error", None)
    if note is not None:
        note(exc)  # middleware, and records, want to know
    exc_info = (type(exc), exc, exc.__traceback__)
    try:
        if answer is None:
            handler.log_exception(*exc_info)
    except Exception:
        app_log.error("Error in exception logger", exc_info=True)
    if handler._finished:
        return  # answered already; there is nothing more to tell the client
    if handler._headers_written and _client_left(handler, exc):
        give_up(handler)
        return
    try:
        if answer is None or handler._headers_written:
            handler.send_error(status_of(exc), exc_info=exc_info)
        else:
            _answer_mapped(handler, exc, answer)
    finally:
        del exc_info  # holds this frame through the traceback


def _out_of_group(handler: RequestHandler, exc: BaseException) -> BaseException:
    """An answer that came out of a nursery is still the answer that it is."""
    if not isinstance(exc, BaseExceptionGroup):
        return exc
    inner = sole(exc)
    if isinstance(inner, (HTTPError, Finish, PeerError)) or _mapped(handler, inner) is not None:
        return inner
    return exc


def _mapped(handler: RequestHandler, exc: BaseException) -> ErrorAnswer | None:
    """What the application answers such exceptions with: the closest class counts."""
    answers: ErrorAnswers = getattr(handler.application, "_error_answers", None) or {}
    kinds = (kind for kind in type(exc).__mro__ if kind in answers)
    kind = next(kinds, None)
    return None if kind is None else answers[kind]


def _as_http_error(exc: BaseException, status: int) -> BaseException:
    """Answered and logged as an `HTTPError` that says what `exc` says."""
    error = HTTPError(status, "%s", f"{type(exc).__name__}: {exc}")
    error.__cause__ = exc
    return error.with_traceback(exc.__traceback__)


def _answer_mapped(handler: RequestHandler, exc: BaseException, answer: Any) -> None:
    """By the application's function, or with the page of another class of handlers."""
    if not isinstance(answer, type):
        handler.clear()
        answer(handler, exc)
        if not handler._finished:
            handler.finish()
        return
    other: RequestHandler = answer(handler.application, handler.request)
    other._transforms = handler._transforms
    other._cause = handler._cause
    other.send_error(status_of(exc), exc_info=(type(exc), exc, exc.__traceback__))


def _client_left(handler: RequestHandler, exc: BaseException | None) -> bool:
    """That is its right, and no error. (A stream of the program's own that breaks is one.)"""
    return (
        exc is not None
        and not handler._log_disconnects
        and consists_of(exc, Disconnected)
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
    gen_log.warning("%d %s: " + message, error.status_code, handler._request_summary(), *arguments)


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
            method = str(handler.request.method).lower()
            explain_asyncio(value, f"{type(handler).__qualname__}.{method}")
        app_log.error(
            "Uncaught exception %s\n%r",
            handler._request_summary(),
            handler.request,
            exc_info=(typ, value, tb),  # type: ignore[arg-type]
        )


def send_error(handler: RequestHandler, status_code: int, kwargs: dict[str, Any]) -> Any:
    """Replace what was written by an error response and finish it."""
    if handler._headers_written:
        gen_log.error("Cannot send error response after headers written")
        if not handler._finished:
            return _break_off(handler)
        return None
    if handler._cause is not None:
        kwargs.setdefault("cause", handler._cause)
    handler.clear()
    reason = kwargs.get("reason")
    if "exc_info" in kwargs:
        exc = kwargs["exc_info"][1]
        if isinstance(exc, HTTPError):
            reason = exc.reason or reason
            fields = getattr(exc, "headers", None)  # a program's subclass may mean another thing
            for name, value in fields.items() if isinstance(fields, Mapping) else ():
                handler.set_header(name, value)
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


def _break_off(handler: RequestHandler) -> Any:
    """End a response so that the client sees that it is not whole.

    One of unknown length has no end then (Tornado sends it, and a part looks like all of it);
    one that announced its length may be complete: finishing tells.
    """
    whole = handler.request.method == "HEAD" or has_no_body(handler._status_code)
    if not whole and "Content-Length" not in handler._headers:
        give_up(handler)
        return None
    try:
        return handler.finish()
    except Exception:
        gen_log.error("Failed to flush partial response", exc_info=True)
        give_up(handler)
        return None


def give_up(handler: RequestHandler) -> None:
    """The response cannot be completed, and the reason has been logged: close, and log the
    request."""
    handler._give_up()
    handler.request.connection.logged = True
    handler._log()


def allowed_methods(handler: RequestHandler) -> list[str]:
    """The methods a handler implements."""
    cls = type(handler)
    missing = cls._unimplemented_method
    found = {m for m in cls.SUPPORTED_METHODS if getattr(cls, m.lower(), missing) is not missing}
    if handler._answers_by_itself and found:
        found |= {"OPTIONS", "HEAD"} if "GET" in found else {"OPTIONS"}
    return [method for method in cls.SUPPORTED_METHODS if method in found]


def own_answer(handler: RequestHandler) -> Callable[..., Any] | None:
    """The answer to a method that the class does not implement: HEAD as GET (the server leaves the
    body out, RFC 9110 9.3.2), OPTIONS with the allowed methods (9.3.7). None: 405."""
    method = handler.request.method
    allowed = allowed_methods(handler)
    if method not in allowed:
        return None
    if method == "HEAD":
        return handler.get

    def options(*args: Any, **kwargs: Any) -> Any:
        handler.set_status(204)
        handler.set_header("Allow", ", ".join(allowed))
        return handler.finish()

    return options


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
