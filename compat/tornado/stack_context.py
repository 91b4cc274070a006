"""`tornado.stack_context`: contexts that follow callbacks, as Tornado had them until 5.

They are in `_impl/legacy/contexts.py`; here is what makes the loop and the coroutine runner
learn of contexts when the first one is entered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from tornado._impl.names import handing_on

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

if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.stack_context")
