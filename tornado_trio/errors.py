"""Errors that every layer may raise. Knows nothing else of the package.

An error says what is at fault: the peer (`PeerError`), a bound that the peer or the
program crossed (`LimitError`), a deadline (`DeadlineError`), or the stream itself
(`StreamClosedError`). Those a server answers carry the status to answer with.
"""

import re

# What ends a line or drives a terminal, in any encoding of a log: controls but TAB, C1 among
# them, and Unicode's own line ends. Compiled, by `re`, if a text has one.
_CONTROLS = "[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]"


def printable(text: str) -> str:
    """`text` with its control characters written as escapes: fit for one line of a log."""
    if text.isprintable():
        return text
    return re.sub(_CONTROLS, lambda match: match[0].encode("unicode_escape").decode(), text)


class TornadoTrioError(Exception):
    """Base of the package's own errors."""


class PeerError(TornadoTrioError):
    """The peer broke the protocol.

    `status` is the HTTP status a server answers it with.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status

    def __str__(self) -> str:
        # Messages quote what the peer sent, and are logged.
        return printable(super().__str__())


class LimitError(PeerError):
    """A bound of `tornado_trio.limits` was crossed (413, 414, 431, ...)."""

    def __init__(self, message: str, status: int = 413) -> None:
        super().__init__(message, status)


class DeadlineError(TornadoTrioError, TimeoutError):
    """A deadline passed. `phase` names what was being waited for."""

    def __init__(self, message: str, phase: str = "") -> None:
        super().__init__(message)
        self.phase = phase


class Disconnected(TornadoTrioError):
    """The connection is over. If the peer ended it, that is legitimate and not an error of either
    side."""


class StreamClosedError(Disconnected, OSError):
    """The stream is closed, by us or by the peer; `__cause__` holds the OS error, if any."""


class WriteBufferFull(TornadoTrioError):
    """A write that could not wait would have grown the write buffer past its bound."""


class ReadLimitError(LimitError):
    """A delimiter was not found within the bytes allowed for it."""


class HTTPInputError(PeerError):
    """Malformed input from the peer: a head, a field, a form, a cookie. Takes any arguments."""

    status = 400

    def __init__(self, *args: object, **kwargs: object) -> None:
        Exception.__init__(self, *args, **kwargs)


class UnsupportedMediaError(HTTPInputError):
    """A content type or coding that is not understood (415)."""

    status = 415


class StartupError(TornadoTrioError, RuntimeError):
    """What a service needs could not be opened: it does not begin to serve."""


class HTTPOutputError(TornadoTrioError):
    """The program tried to send something HTTP does not allow."""
