"""Looking into exception groups. Knows nothing else."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["consists_of", "sole"]


def sole(error: BaseException) -> BaseException:
    """The one exception that a group holds, at whatever depth; `error` if there are more.

    A nursery puts even the only exception of its block into a group.
    """
    inner = error
    while isinstance(inner, BaseExceptionGroup):
        if len(inner.exceptions) != 1:
            return error
        inner = inner.exceptions[0]
    return inner


def consists_of(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether `error`, or each member of the group that it is, is a `kind`."""
    return all(isinstance(leaf, kind) for leaf in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
