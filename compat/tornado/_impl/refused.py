"""Upstream's names that are missing on purpose, and why.

A name with another meaning is worse than a missing one: accessing one of these is an AttributeError
with the reason. docs/discussion/compat-limits.md lists them.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["REFUSED", "refusal", "refuse"]

_CODE = "templates are compiled by other code, which a writer of the program's own cannot enter"
_POLL = "asyncio's loop asks the system; give asyncio a selector of your own instead"
_STEPS = "a request is one coroutine; override prepare or _execute, which every release has"

#: "module.name" or "module.Class.name" -> why it is not there, and what serves instead.
REFUSED: dict[str, str] = {
    "tornado.httpserver.HTTPConnection._on_headers": (
        "HTTP is read natively, and not by a connection of Tornado 2; decorate the handler with "
        "stream_request_body, or override _read_body of an HTTP1Connection"
    ),
    "tornado.ioloop._EPoll": _POLL,
    "tornado.ioloop._Select": _POLL,
    "tornado.ioloop._poll": _POLL,
    "tornado.template._CodeWriter": f"{_CODE}; walk template.file.body.chunks for its nodes",
    "tornado.template._TemplateReader": f"{_CODE}; walk template.file.body.chunks for its nodes",
    "tornado.template._Module": "a module's tag is an _Expression whose code begins _tt_modules.",
    "tornado.template._parse": "parsing yields no readers; make a Template and walk its file",
    "tornado.web.Application._get_host_handlers": (
        "routes are found by routers since Tornado 4.5; ask or edit default_router.rules and "
        "wildcard_router.rules"
    ),
    "tornado.web.RequestHandler._execute_method": _STEPS,
    "tornado.web.RequestHandler._when_complete": _STEPS,
    "tornado.websocket.WebSocketProtocol13._apply_mask": (
        "frames are read natively; assign a function to tornado.websocket._websocket_mask"
    ),
}


def refusal(name: str) -> str | None:
    """The text of the AttributeError for a refused name; None for any other name."""
    reason = REFUSED.get(name)
    if reason is None:
        return None
    return f"{name} is not in this implementation of Tornado: {reason}"


class _Missing:
    """In the place of an attribute of a class: asking an object for it raises, and calling it.

    Asking the class does not: tools do that with all that `dir()` says.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __get__(self, instance: object, owner: type[Any]) -> _Missing:
        if instance is None:
            return self
        raise AttributeError(self._text)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AttributeError(self._text)


def refuse(module: str, cls: type[Any]) -> None:
    """Have the refused attributes of a class say why. For the releases alone that had them: in
    others they are missing upstream too."""
    for name in REFUSED:
        owner, _, attribute = name.rpartition(".")
        if owner == f"{module}.{cls.__name__}":
            setattr(cls, attribute, _Missing(refusal(name) or ""))
