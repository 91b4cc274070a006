"""The exceptions a handler raises to end its request. Knows HTTP status codes, no handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..wire.phrases import standard_phrase

__all__ = ["Finish", "HTTPError", "MissingArgumentError"]


class HTTPError(Exception):
    """Ends the request with an error response of `status_code`.

    `log_message` is written to the log and never shown to the client (unless the
    application serves tracebacks); it may hold `%`-placeholders for the remaining
    positional arguments. `reason`, given by keyword, replaces the standard phrase; `headers` are
    fields of the answer.

    TypeError for a status that is no int.
    """

    def __init__(
        self, status_code: int = 500, log_message: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        if not isinstance(status_code, int):
            raise TypeError(f"the status is an int, not {status_code!r}: HTTPError(404, 'why')")
        self.status_code = status_code
        self._log_message = log_message
        # Exception.args on purpose: they are the arguments of the message, and copying or
        # pickling the exception rebuilds the rest from __dict__.
        self.args = args
        self.reason: str | None = kwargs.get("reason")
        self.headers: Mapping[str, str] = kwargs.get("headers") or {}

    @property
    def log_message(self) -> str | None:
        """The message as a format string: safe to use with `%` and `args`."""
        message = self._log_message
        if message is not None and not self.args:
            return message.replace("%", "%%")
        return message

    def get_message(self) -> str | None:
        """The message with its arguments filled in."""
        message = self._log_message
        if message is not None and self.args:
            return message % self.args
        return message

    def __str__(self) -> str:
        reason = self.reason or standard_phrase(self.status_code, "Unknown")
        text = f"HTTP {self.status_code}: {reason}"
        message = self.get_message()
        return f"{text} ({message})" if message else text

    def __reduce__(self) -> tuple[Any, ...]:
        # Without a call of __init__, whose arguments `args` are not, in subclasses least.
        return (_remade, (type(self), self.args), self.__dict__)


def _remade(cls: type[HTTPError], args: tuple[Any, ...]) -> HTTPError:
    return cls.__new__(cls, *args)


class MissingArgumentError(HTTPError):
    """A required argument is absent: 400. `arg_name` is its name."""

    def __init__(self, arg_name: str) -> None:
        super().__init__(400, f"Missing argument {arg_name}")
        self.arg_name = arg_name


class Finish(Exception):
    """Ends the request without an error response.

    What was written so far is sent; an argument is passed on to `finish()`.
    """
