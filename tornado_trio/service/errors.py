"""The error of a service that cannot start. Knows nothing else."""

from __future__ import annotations

__all__ = ["CannotStart"]


class CannotStart(Exception):
    """The service cannot be started; the message says why, in one line.

    `run` and `tornado-trio serve` print it and exit with `status`: 2 for wrong arguments, 1 for
    other causes.
    """

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def find_cannot_start(error: BaseException) -> CannotStart | None:
    """The `CannotStart` that `error` is, or that is alone in its exception groups, at any depth."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, CannotStart) else None
