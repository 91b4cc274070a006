"""`tornado.stack_context`: contexts that follow callbacks, as Tornado had them until 5.

They are in `_impl/legacy/contexts.py`; here is what makes the loop and the coroutine runner
learn of contexts when the first one is entered.
"""

from __future__ import annotations

from tornado._impl.legacy import contexts
from tornado._impl.legacy.contexts import (
    ExceptionStackContext,
    NullContext,
    StackContext,
    StackContextInconsistentError,
    run_with_stack_context,
    wrap,
)
from tornado._impl.legacy.contexts import _state as _state  # programs know `_state.contexts`

__all__ = [
    "ExceptionStackContext",
    "NullContext",
    "StackContext",
    "StackContextInconsistentError",
    "run_with_stack_context",
    "wrap",
]


def _teach() -> None:
    from tornado._impl.legacy.gen import teach_contexts

    teach_contexts()


contexts.on_first_use(_teach)
