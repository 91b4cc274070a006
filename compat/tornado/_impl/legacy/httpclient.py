"""`fetch(request, callback)` as it was until Tornado 6 (reached through `tornado.httpclient`).

Knows Futures and loops only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tornado._impl.generation import old_idiom
from tornado._impl.loop.current import current_loop
from tornado.concurrent import future_add_done_callback


def in_contexts(callback: Any) -> Any:
    """`callback` in the `stack_context`s current here, if the program uses any."""
    module = sys.modules.get("tornado._impl.legacy.contexts")
    return callback if module is None or callback is None else module.wrap(callback)


class LegacyCall:
    """A fetch that reports to a callback: with the response, whatever its status."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[Any], Any]) -> None:
        self._callback = callback

    @classmethod
    def taken_from(
        cls, second: Any, further: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[LegacyCall | None, bool]:
        """The callback among the arguments of a fetch (removed from `kwargs`), if there is
        one, and what `raise_error` is.

        Until Tornado 6 the second argument was the callback, the third `raise_error`.
        """
        callback = kwargs.pop("callback", None)
        if not further and not callable(second):
            raise_error = second is not None and bool(second)
        else:
            if len(further) > 1:
                raise TypeError("fetch() takes a request, a callback and raise_error")
            callback = second if second is not None else callback
            raise_error = bool(further[0]) if further else True
        if callback is not None:
            old_idiom("fetch(callback=)")
        return (None if callback is None else cls(callback)), raise_error

    def follow(self, future: Any, response_of: Callable[[BaseException], Any]) -> None:
        """Call the callback when `future` is done, on the loop's next turn.

        It gets the result, or what `response_of` makes of the error.
        """
        callback = self._callback
        loop = current_loop()

        def done(finished: Any) -> None:
            error = finished.exception()
            response = finished.result() if error is None else response_of(error)
            loop.add_callback(callback, response)

        future_add_done_callback(future, done)
