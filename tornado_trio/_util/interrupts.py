"""Finding the interrupt in an exception group. Knows nothing else."""

from __future__ import annotations


def interrupt_in(error: BaseException) -> KeyboardInterrupt | SystemExit | None:
    """The first KeyboardInterrupt or SystemExit in `error`, itself or a group of any depth.

    Nurseries wrap them in groups, which the interpreter would report as a plain error; they concern
    the process, not the task that happened to run.
    """
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            found = interrupt_in(inner)
            if found is not None:
                return found
    return None
