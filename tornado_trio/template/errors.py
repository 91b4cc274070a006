"""The error of a template that cannot be parsed. Knows nothing else of the package's templates."""

from tornado_trio.errors import TornadoTrioError

__all__ = ["ParseError"]


class ParseError(TornadoTrioError):
    """A template breaks the template language.

    `filename` is the template's name, `lineno` the line (from 1) on which the
    offending tag starts.
    """

    def __init__(self, message: str, filename: str | None = None, lineno: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.filename = filename
        self.lineno = lineno

    def __str__(self) -> str:
        return f"{self.message} at {self.filename}:{self.lineno}"
