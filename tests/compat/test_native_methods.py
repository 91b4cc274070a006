"""Methods that are new on handlers do not stand before those of a program's own mixins."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

from typing import Any

from tornado.web import RequestHandler


class JSONMixin:
    def json(self, value: Any) -> str:
        return "the program's"

    def events(self) -> str:
        return "the program's"


class Base(RequestHandler, JSONMixin):
    pass


class Sub(Base):
    def events(self) -> str:  # type: ignore[override]
        return "the subclass's"


class Own(RequestHandler):
    json = None  # type: ignore[assignment]


def test_a_mixin_after_the_handler_has_its_names() -> None:
    assert Base.json(None, 1) == "the program's"  # type: ignore[arg-type]
    assert Sub.json(None, 1) == "the program's"  # type: ignore[arg-type]
    assert Base.events(None) == "the program's"  # type: ignore[arg-type]
    assert Sub.events(None) == "the subclass's"  # type: ignore[arg-type]
    assert Own.json is None
    assert callable(RequestHandler.json)
