"""In debug mode, what is returned is compared with the annotation."""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import pytest

from tornado_trio import api

from .test_api_requests import answer, ask


class Item(msgspec.Struct):
    name: str
    price: Annotated[float, msgspec.Meta(ge=0)]


@dataclasses.dataclass
class Order:
    items: list[Item]
    at: datetime.datetime | None = None


NOON = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.UTC)


def application(returns: Any, value: Any, *, debug: bool = True) -> api.Application[None]:
    app: api.Application[None] = api.Application(debug=debug, autoreload=False)

    async def given() -> Any:
        return value

    given.__annotations__["return"] = returns
    app.get("/")(given)
    return app


@pytest.mark.parametrize(
    ("returns", "value", "faults"),
    [
        (
            Order,
            {"items": [{"name": "a", "price": "1"}]},
            "/items/0/price: Expected `float`, got `str`",
        ),
        (Order, Order([Item("a", -1)]), "/items/0/price: Expected `float` >= 0.0"),
        (list[Item], [Item("a", 1), {"name": 3}], "/1/name: Expected `str`, got `int`"),
        (dict[str, int], {"a": "x"}, "dict[str, int]: Expected `int`, got `str`"),
        (int, "x", "Expected `int`, got `str`"),
        (bytes, {"a": 1}, "Expected `bytes`, got `dict`"),
        (Order, b"{}", "Expected Order, got `bytes`"),
        (api.Response[int], api.Response("x"), "Expected `int`, got `str`"),
    ],
)
async def test_the_message_names_function_and_field(
    caplog: pytest.LogCaptureFixture, returns: Any, value: Any, faults: str
) -> None:
    with caplog.at_level(logging.ERROR):
        assert (await ask(application(returns, value), "/")).code == 500
    [error] = [str(each.exc_info[1]) for each in caplog.records if each.exc_info]
    assert "given returned what is not its annotation" in error and faults in error
    assert (await ask(application(returns, value, debug=False), "/")).code == 200


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (Order, Order([Item("a", 1)], NOON)),
        (Order, {"items": [{"name": "a", "price": 1}]}),
        (list[Item], (Item("a", 1.5), {"name": "b", "price": 2.0})),
        (dict[int, Item | None], {1: None, 2: Item("a", 0)}),
        (set[str], {"a"}),
        (float, 3),
        (int | None, None),
        (bytes, bytearray(b"x")),
        (Any, object),
        (api.Response[str], api.Response("text", media_type="text/plain")),
        (Annotated[Item, api.Status(201)], Item("a", 1)),
    ],
)
async def test_what_fits(returns: Any, value: Any) -> None:
    if value is object:
        value = {"any": [1]}
    assert (await ask(application(returns, value), "/")).code in (200, 201, 204)


async def test_streams_and_classes_and_replaced_dependencies() -> None:
    class Things(api.Handler[None]):
        async def get(self) -> list[int]:
            return ["x"]  # type: ignore[list-item]

        async def put(self) -> AsyncIterator[int]:
            yield 1

    app: api.Application[None] = api.Application([("/", Things)], debug=True, autoreload=False)
    assert (await ask(app, "/")).code == 500
    with app.overriding(len, lambda: 0):
        assert (await ask(app, "/")).code == 500
    quiet: api.Application[None] = api.Application([("/", Things)])
    assert answer(await ask(quiet, "/")) == ["x"]


def test_models_are_not_written_and_read_again() -> None:
    pydantic = pytest.importorskip("pydantic")
    from tornado_trio.api.results import can_be_checked

    model = pydantic.create_model("M", x=(int, 1))
    assert can_be_checked(model) and not can_be_checked(list[model])
