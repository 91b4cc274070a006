"""What may be run, and what people give by mistake."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tornado_trio import serve, web
from tornado_trio.service import CannotStart
from tornado_trio.service.kinds import main_of

APP = web.Application([])


class Hello(web.RequestHandler):
    pass


async def main() -> None:
    pass


async def exchange_app(exchange: Any) -> None:
    pass


class CallableApp:
    async def __call__(self, exchange: Any) -> None:
        pass


async def two(a: Any, b: Any) -> None:
    pass


async def with_defaults(port: int = 1, *rest: Any, name: str = "x") -> None:
    pass


def make_app() -> web.Application:
    return APP


def make_main() -> Any:
    return main


def make_nothing() -> None:
    pass


def test_an_async_function_is_main() -> None:
    assert main_of(main) is main
    assert main_of(with_defaults) is with_defaults
    bound = partial(two, 1, 2)
    assert main_of(bound) is bound


@pytest.mark.parametrize("target", [APP, exchange_app, CallableApp(), make_app])
def test_applications_are_served(target: Any) -> None:
    made = main_of(target)
    assert isinstance(made, partial)
    assert made.func is serve
    assert made.args == (APP if target is make_app else target,)


def test_a_factory_of_main() -> None:
    assert main_of(make_main) is main
    with pytest.raises(CannotStart, match="make_main is a function, which cannot be run"):
        main_of(make_main, factories=False)
    with pytest.raises(CannotStart, match=r"make_it\(\) is a function, which cannot be run"):
        main_of(lambda: make_main, "make_it")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Hello, r"Hello is a handler class: give Application\(\[\(r'/', Hello\)\]\)"),
        ([("/", Hello)], "is a list of rules: give Application"),
        (CallableApp, "CallableApp is a class"),
        (two, "two takes 2 arguments"),
        (make_nothing, "make_nothing is a function that returned nothing"),
        (7, "an int is an int, which cannot be run"),
        (None, "a NoneType is a NoneType, which cannot be run"),
    ],
)
def test_mistakes_are_explained(target: Any, message: str) -> None:
    with pytest.raises(CannotStart, match=message) as caught:
        main_of(target)
    assert caught.value.status == 2
    assert "\n" not in str(caught.value)


def test_a_coroutine_is_closed_and_explained() -> None:
    coroutine = main()
    with pytest.raises(CannotStart, match="main is a coroutine: give the function"):
        main_of(coroutine)
    assert coroutine.cr_frame is None
