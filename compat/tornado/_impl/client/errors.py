"""The errors of `tornado.simple_httpclient`, and how the native client's become them.

Knows the native errors and Tornado's messages and log lines for the same events.
"""

from __future__ import annotations

import ssl

from tornado._impl.generation import before
from tornado.httpclient import HTTPError
from tornado.iostream import UnsatisfiableReadError
from tornado.log import gen_log

from tornado_trio.client.errors import (
    BodyTooLarge,
    ClientError,
    ConnectError,
    ConnectionLost,
    InvalidRequest,
    RequestTimeout,
    ResponseError,
)
from tornado_trio.errors import LimitError
from tornado_trio.wire.codings import CodingError


class HTTPTimeoutError(HTTPError):
    """A deadline passed (`code` is 599). The message says in which phase."""

    __module__ = "tornado.simple_httpclient"

    def __init__(self, message: str) -> None:
        super().__init__(599, message=message)

    def __str__(self) -> str:
        if before(5, 1):  # it was no class of its own
            return super().__str__()
        return self.message or "Timeout"


class HTTPStreamClosedError(HTTPError):
    """The server closed the connection, or sent no proper HTTP (`code` is 599)."""

    __module__ = "tornado.simple_httpclient"

    def __init__(self, message: str) -> None:
        super().__init__(599, message=message)

    def __str__(self) -> str:
        return self.message or "Stream closed"


def translate(error: BaseException) -> BaseException:
    """What a fetch that failed with `error` reports. Logs what Tornado logs."""
    if not isinstance(error, ClientError):
        return error
    if isinstance(error, RequestTimeout):
        # Before there is a connection the phase is named, after that the request is late.
        named = error.phase in ("resolve", "connect", "tls", "proxy")
        if error.phase == "resolve" and before(5, 1):
            return HTTPTimeoutError("Timeout while connecting")
        return HTTPTimeoutError(str(error) if named else "Timeout during request")
    if isinstance(error, ConnectError):
        return _of_connecting(error)
    if isinstance(error, ConnectionLost):
        real = _os_error_behind(error)
        if real is not None:
            return real
        return HTTPStreamClosedError(
            "Connection closed" if error.phase == "body" else "Stream closed"
        )
    if isinstance(error, (ResponseError, BodyTooLarge)):
        return _of_the_message(error)
    if isinstance(error, InvalidRequest):
        if isinstance(error.__context__, UnicodeError):
            return error.__context__  # of a name that IDNA refuses
        return ValueError(str(error))
    return HTTPStreamClosedError(str(error))


def _of_connecting(error: ConnectError) -> BaseException:
    cause = error.os_error
    if error.phase == "tls" and isinstance(cause, ssl.SSLError):  # a peer that left is none
        gen_log.warning("SSL Error on %s", error)
    if cause is not None:
        real = cause if _is_systems(cause) else _os_error_behind(cause)
        if real is not None:
            return real
    if error.phase == "proxy":
        return HTTPError(599, message=str(error))
    return HTTPStreamClosedError("Stream closed")


def _os_error_behind(error: BaseException) -> OSError | None:
    """The operating system's (or TLS) error in the chain of causes."""
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, OSError) and _is_systems(cause):
            return cause
        cause = cause.__cause__
    return None


def _is_systems(error: OSError) -> bool:
    return not type(error).__module__.startswith("tornado_trio")


def _of_the_message(error: ResponseError | BodyTooLarge) -> BaseException:
    cause = error.__cause__
    text = str(error)
    if isinstance(cause, LimitError) and text == "head too large":
        text = "no end of the headers within max_header_size"
        gen_log.info("Unsatisfiable read, closing connection: %s", text)
        return UnsatisfiableReadError(text)
    if isinstance(cause, CodingError):
        text = "invalid gzip data"
    elif isinstance(cause, LimitError) and text == "body too large":
        text = "Body too long"
    if before(6):
        text = text.replace("Message with both", "Response with both")
    gen_log.info("Malformed HTTP message from None: %s", text)
    return HTTPStreamClosedError("Connection closed")
