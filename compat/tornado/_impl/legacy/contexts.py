"""Contexts that follow callbacks: `tornado.stack_context`, as Tornado had it until 5.

A context entered with `with StackContext(...)` or `with ExceptionStackContext(...)` is
entered again around every callback that was registered inside the block, and around those
which that callback registers. Which contexts are current is a context variable, so
whatever carries those (loop callbacks, timers, Futures, trio tasks) carries contexts too.

Knows context variables only. Programs that never enter a context pay nothing: the loop and
the coroutine runner learn of contexts when the first one is entered (`on_first_use`).
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from tornado._impl.generation import old_idiom

__all__ = [
    "ExceptionStackContext",
    "NullContext",
    "StackContext",
    "StackContextInconsistentError",
    "run_with_stack_context",
    "wrap",
]

Handler = Callable[[Any, Any, Any], Any]
Contexts = tuple["_Context", ...]

_current: contextvars.ContextVar[Contexts] = contextvars.ContextVar(
    "tornado.stack_context", default=()
)


_learners: list[Callable[[], None]] = []  # what has to learn of contexts, before the first one


def on_first_use(teach: Callable[[], None]) -> None:
    """Call `teach` when a context is first entered."""
    _learners.append(teach)


def _begin() -> None:
    while _learners:
        _learners.pop()()


class StackContextInconsistentError(Exception):
    """A generator yielded inside a `with StackContext` block, or blocks were not nested."""


class _Context:
    """What the two kinds share: being entered by `with`, being left out once deactivated."""

    def __init__(self) -> None:
        self.active = True
        self.old_contexts: Contexts = ()
        self.new_contexts: Contexts = ()

    def __enter__(self) -> Callable[[], None]:
        if _learners:
            _begin()
        self.old_contexts = _current.get()
        self.new_contexts = (*self.old_contexts, self)
        _current.set(self.new_contexts)
        return self._deactivate

    def _deactivate(self) -> None:
        """Callbacks registered in this context run without it from now on."""
        self.active = False

    def _leave(self) -> None:
        inside, self.new_contexts = self.new_contexts, ()
        found = _current.get()
        _current.set(self.old_contexts)
        self.old_contexts = ()
        if found is not inside:
            raise StackContextInconsistentError(
                "stack_context inconsistency (may be caused by yield within a "
                '"with StackContext" block)'
            )

    def _enter_around(self, callback: ExitStack) -> None:
        """Enter it anew, to be left when `callback` is closed."""
        raise NotImplementedError


class StackContext(_Context):
    """Enters `context_factory()`, a context manager, around the block and its callbacks.

    `as deactivate` gives a function; once it was called, callbacks run without the context.
    """

    def __init__(self, context_factory: Callable[[], AbstractContextManager[Any]]) -> None:
        old_idiom("StackContext")
        super().__init__()
        self.context_factory = context_factory
        self.contexts: list[AbstractContextManager[Any]] = []

    def __enter__(self) -> Callable[[], None]:
        deactivate = super().__enter__()
        try:
            self.enter()
        except BaseException:
            _current.set(self.old_contexts)
            raise
        return deactivate

    def enter(self) -> None:
        """Enter a context manager of the factory's."""
        context = self.context_factory()
        self.contexts.append(context)
        context.__enter__()

    def exit(self, type: Any, value: Any, traceback: Any) -> bool | None:
        """Leave the one entered last."""
        return self.contexts.pop().__exit__(type, value, traceback)

    def __exit__(self, type: Any, value: Any, traceback: Any) -> bool | None:
        try:
            return self.exit(type, value, traceback)
        finally:
            self._leave()

    def _enter_around(self, callback: ExitStack) -> None:
        callback.enter_context(self.context_factory())


class ExceptionStackContext(_Context):
    """Gives the exceptions of the block and of its callbacks to `exception_handler`.

    It is called with type, value and traceback; a true result means that the exception was
    dealt with. `delay_warning` is accepted and ignored.
    """

    def __init__(self, exception_handler: Handler, delay_warning: bool = False) -> None:
        if not delay_warning:
            old_idiom("ExceptionStackContext")
        super().__init__()
        self.exception_handler = exception_handler

    def exit(self, type: Any, value: Any, traceback: Any) -> bool | None:
        """Give an exception, if there is one, to the handler."""
        if type is None:
            return None
        handled: bool | None = self.exception_handler(type, value, traceback)
        return handled

    def __exit__(self, type: Any, value: Any, traceback: Any) -> bool | None:
        # Left first: what the handler registers, and raises, belongs to the contexts outside.
        self._leave()
        return self.exit(type, value, traceback)

    def _enter_around(self, callback: ExitStack) -> None:
        outside = _current.get()

        def leave(type: Any, value: Any, traceback: Any) -> bool | None:
            _current.set(outside)
            return self.exit(type, value, traceback)

        callback.push(leave)


class NullContext:
    """`with NullContext():` what is registered inside carries none of the current contexts."""

    def __enter__(self) -> None:
        self.old_contexts = _current.get()
        _current.set(())

    def __exit__(self, type: Any, value: Any, traceback: Any) -> None:
        _current.set(self.old_contexts)


def run_with_stack_context(context: Any, func: Callable[[], Any]) -> Any:
    """Call a coroutine function inside a context, which follows its callbacks."""
    with context:
        return func()


def wrap(fn: Any) -> Any:
    """`fn` so that it runs in the contexts current now. None, and what is wrapped, stay."""
    if fn is None or hasattr(fn, "_contexts"):
        return fn
    contexts = _current.get()

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return _call(contexts, fn, args, kwargs)

    wrapped._contexts = contexts  # type: ignore[attr-defined]
    return wrapped


def _call(contexts: Contexts, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `fn` inside `contexts`, whatever the current ones are. None if one swallowed."""
    if not all(context.active for context in contexts):
        contexts = tuple(context for context in contexts if context.active)
    with ExitStack() as entered:
        entered.callback(_current.set, _current.get())
        for depth, context in enumerate(contexts):
            _current.set(contexts[:depth])
            context._enter_around(entered)
        _current.set(contexts)
        return fn(*args, **kwargs)
    return None


class _State:
    """Reads and sets the current contexts as programs that know `_state.contexts` do."""

    @property
    def contexts(self) -> tuple[Contexts, _Context | None]:
        contexts = _current.get()
        return contexts, (contexts[-1] if contexts else None)

    @contexts.setter
    def contexts(self, value: tuple[Contexts, Any]) -> None:
        _current.set(value[0])


_state = _State()
