"""Futures of Tornado before 5: callbacks run at once, not on the loop's next turn, and no loop is
needed to make one.

Knows asyncio's Future, and which loop is a thread's. Only loaded by the switch of generations.
"""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable
from typing import Any

from tornado._impl.loop.current import thread_loop
from tornado.log import app_log

__all__ = ["call_back_at_once"]


def call_back_at_once(cls: Any) -> None:
    """Make the Futures of a class call back when they are done, before `set_result` returns.

    Callbacks with a `context` are asyncio's own (its tasks), and go through the loop.
    """
    make = cls.__init__

    def __init__(self: Any, *, loop: Any = None) -> None:
        if loop is None and asyncio._get_running_loop() is None:
            # Up to 3.13 asyncio makes one itself, in the main thread.
            loop = thread_loop(True)
        make(self, loop=loop)

    cls.__init__ = __init__
    plain = {name: getattr(cls, name) for name in ("set_result", "set_exception", "cancel")}
    add, remove = cls.add_done_callback, cls.remove_done_callback
    # Apart from the Futures, which have no room for it.
    waiting: weakref.WeakKeyDictionary[Any, list[tuple[Any, contextvars.Context]]]
    waiting = weakref.WeakKeyDictionary()

    def add_done_callback(
        self: Any, callback: Callable[[Any], Any], *, context: Any = None
    ) -> None:
        if context is not None:
            add(self, callback, context=context)
        elif self.done():
            _call(self, callback, contextvars.copy_context())
        else:
            waiting.setdefault(self, []).append((callback, contextvars.copy_context()))

    def remove_done_callback(self: Any, callback: Callable[[Any], Any]) -> int:
        entries = waiting.get(self, [])
        kept = [entry for entry in entries if entry[0] != callback]
        removed = len(entries) - len(kept)
        if removed:
            waiting[self] = kept
        return removed + int(remove(self, callback))

    def finishing(name: str) -> Callable[..., Any]:
        finish = plain[name]

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = finish(self, *args, **kwargs)
            if self.done():
                for callback, context in waiting.pop(self, ()):
                    _call(self, callback, context)
            return result

        method.__name__ = name
        return method

    cls.add_done_callback = add_done_callback
    cls.remove_done_callback = remove_done_callback
    for name in plain:
        setattr(cls, name, finishing(name))


def _call(future: Any, callback: Callable[[Any], Any], context: contextvars.Context) -> None:
    try:
        context.run(callback, future)
    except Exception:
        app_log.error("Exception in callback %r for %r", callback, future, exc_info=True)
