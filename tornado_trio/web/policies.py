"""How long a request may take, how large its body may be, what a disconnect of its client does.

Set on an application (settings), a handler class (attributes) or a method (the decorators
here); the closest wins. Knows the exchange's `set_timeout` and `on_disconnect`; carrying
them out is the server's part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..exchange import DisconnectPolicy

if TYPE_CHECKING:
    from .handler import RequestHandler

__all__ = ["max_body_size", "on_disconnect", "timeout"]

Method = TypeVar("Method", bound=Callable[..., Any])


# Which of the decorators the program uses: without any, no method is asked for what they left.
_decorated: set[str] = set()
#: Not empty when a program uses `max_body_size`.
sizes: list[int] = []


def refuse_routed(function: Any, name: str) -> None:
    """TypeError for a decorator above that of a route, which has the undecorated function."""
    if getattr(function, "_has_route", False):
        raise TypeError(
            f"@{name} stands above the route of {function.__qualname__}, and would do nothing: "
            "put it below"
        )


def max_body_size(size: int) -> Callable[[Method], Method]:
    """Let the requests of a handler's method have bodies of up to `size` bytes: more, or less, than
    the server's `Limits.max_body_size` (100 MiB); beyond it the client gets 413.

    TypeError and ValueError for what is no number of bytes.
    """
    if callable(size) or not isinstance(size, int):
        raise TypeError(f"write @max_body_size(10 * 2**20): it takes bytes, not {size!r}")
    if size < 0:
        raise ValueError(f"a size is not below 0: {size}")

    def decorate(method: Method) -> Method:
        refuse_routed(method, "max_body_size")
        method._max_body_size = size  # type: ignore[attr-defined]
        sizes.append(size)
        return method

    return decorate


def allow_body(handler_class: type[RequestHandler], exchange: Any, method: str) -> None:
    """Tell the exchange, before its body is read, what `max_body_size` has set for it."""
    function = getattr(handler_class, method.lower(), None)
    size = getattr(function, "_max_body_size", None)
    if size is not None:
        exchange.set_max_body_size(size)


def timeout(seconds: float | None) -> Callable[[Method], Method]:
    """Cancel a handler's method after `seconds`; the client gets 503. None: never.

    TypeError and ValueError for what is no number above 0.
    """
    if callable(seconds):
        raise TypeError("write @timeout(5): it takes the seconds")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"a timeout is above 0 seconds, not {seconds!r}")

    def decorate(method: Method) -> Method:
        refuse_routed(method, "timeout")
        method._request_timeout = seconds  # type: ignore[attr-defined]
        _decorated.add("request_timeout")
        return method

    return decorate


def on_disconnect(policy: DisconnectPolicy | str) -> Callable[[Method], Method]:
    """Set what happens to a handler's method when its client disconnects: "cancel", "finish", or
    `grace(seconds)`. ValueError for another."""
    policy = DisconnectPolicy.of(policy)

    def decorate(method: Method) -> Method:
        refuse_routed(method, "on_disconnect")
        method._on_disconnect = policy  # type: ignore[attr-defined]
        _decorated.add("on_disconnect")
        return method

    return decorate


def apply(handler: RequestHandler, exchange: Any) -> None:
    """Tell the exchange what was set for this request: 0.2 us when nothing was."""
    settings = handler.application.settings
    seconds: float | None = handler.request_timeout
    policy: DisconnectPolicy | str | None = handler.on_disconnect
    if _decorated:
        method = getattr(handler, handler.request.method.lower(), None)
        attributes = getattr(method, "__dict__", None) or {}
        seconds = attributes.get("_request_timeout", seconds)
        policy = attributes.get("_on_disconnect", policy)
    if seconds is None:
        seconds = settings.get("request_timeout")
    if seconds is not None:
        exchange.set_timeout(seconds)
    if policy is None:
        policy = settings.get("on_disconnect")
    if policy is not None:
        exchange.on_disconnect = DisconnectPolicy.of(policy)
