"""How long a request may take, and what happens to it when its client disconnects.

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

__all__ = ["on_disconnect", "timeout"]

Method = TypeVar("Method", bound=Callable[..., Any])


# Which of the decorators the program uses: without any, no method is asked for what they left.
_decorated: set[str] = set()


def timeout(seconds: float | None) -> Callable[[Method], Method]:
    """Cancel a handler's method after `seconds`; the client gets 503. None: never.

    TypeError and ValueError for what is no number above 0.
    """
    if callable(seconds):
        raise TypeError("write @timeout(5): it takes the seconds")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"a timeout is above 0 seconds, not {seconds!r}")

    def decorate(method: Method) -> Method:
        method._request_timeout = seconds  # type: ignore[attr-defined]
        _decorated.add("request_timeout")
        return method

    return decorate


def on_disconnect(policy: DisconnectPolicy | str) -> Callable[[Method], Method]:
    """Set what happens to a handler's method when its client disconnects: "cancel", "finish", or
    `grace(seconds)`. ValueError for another."""
    policy = DisconnectPolicy.of(policy)

    def decorate(method: Method) -> Method:
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
