"""Dependencies: their kinds, what they share, and what stands in for them in tests."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec

from tornado_trio import api
from tornado_trio.testing import RawResponse

from .test_api_requests import answer, ask, faults

EVENTS: list[str] = []


async def yielding(size: int = 1) -> AsyncIterator[str]:
    EVENTS.append("open")
    try:
        yield f"async {size}"
    except ValueError:
        EVENTS.append("failed")
        raise
    finally:
        EVENTS.append("close")


def plainly_yielding() -> Iterator[str]:
    EVENTS.append("open plain")
    yield "plain"
    EVENTS.append("close plain")


managed = contextmanager(plainly_yielding)


async def test_generators_are_contexts() -> None:
    EVENTS.clear()
    app = api.Application()

    @app.get("/")
    async def get(
        a: Annotated[str, api.Depends(yielding)],
        b: Annotated[str, api.Depends(plainly_yielding)],
        c: Annotated[str, api.Depends(managed)],
        fail: bool = False,
    ) -> list[str]:
        if fail:
            raise ValueError
        return [a, b, c]

    assert answer(await ask(app, "/?size=2")) == ["async 2", "plain", "plain"]
    opened = ["open", "open plain", "open plain"]
    assert EVENTS == [*opened, "close plain", "close plain", "close"]
    EVENTS.clear()
    assert (await ask(app, "/?fail=1")).code == 500
    assert EVENTS == [*opened, "failed", "close"]


class Page:
    def __init__(self, after: int = 0, limit: Annotated[int, msgspec.Meta(le=100)] = 20) -> None:
        self.shown = [after, limit]


@dataclasses.dataclass
class Sorted:
    by: str = "name"


class Checker:
    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, token: str = "") -> str:
        return f"{self.name} {token}"


def scaled(factor: int, value: int = 1) -> int:
    return factor * value


async def test_classes_instances_and_partials() -> None:
    app = api.Application()

    @app.get("/")
    async def get(
        page: Annotated[Page, api.Depends(Page)],
        order: Annotated[Sorted, api.Depends(Sorted)],
        checked: Annotated[str, api.Depends(Checker("me"))],
        number: Annotated[int, api.Depends(functools.partial(scaled, 3))],
    ) -> list[Any]:
        return [page.shown, order.by, checked, number]

    found = answer(await ask(app, "/?limit=5&by=age&token=t&value=4"))
    assert found == [[0, 5], "age", "me t", 12]
    assert faults(await ask(app, "/?limit=500")) == [("query", "limit")]


async def limited(limit: Annotated[int, msgspec.Meta(ge=1)] = 1) -> int:
    return limit


async def doubled(limit: Annotated[int, msgspec.Meta(ge=1)] = 1) -> int:
    return 2 * limit


async def test_two_may_take_the_same() -> None:
    app = api.Application()

    @app.get("/")
    async def get(
        one: Annotated[int, api.Depends(limited)],
        two: Annotated[int, api.Depends(doubled)],
        limit: str = "",
    ) -> list[Any]:
        return [one, two, limit]

    assert answer(await ask(app, "/?limit=3")) == [3, 6, "3"]
    assert answer(await ask(app)) == [1, 2, ""]
    assert faults(await ask(app, "/?limit=0")) == [("query", "limit")]
    [parameter] = app.openapi()["paths"]["/"]["get"]["parameters"]
    assert (parameter["name"], parameter["in"]) == ("limit", "query")
    assert [each["type"] for each in parameter["schema"]["allOf"]] == ["integer", "string"]


async def user(token: Annotated[str, api.Bearer()], realm: str) -> str:
    return f"user of {token}"


def guarded() -> api.Application[Any]:
    app: api.Application[Any] = api.Application()

    @app.get("/{id:int}")
    async def get(id: int, user: Annotated[str, api.Depends(user)]) -> str:
        return f"{user} {id}"

    return app


async def test_what_is_replaced_asks_for_nothing() -> None:
    """A double of who the user is needs no credentials."""
    app = guarded()
    assert (await ask(app, "/1")).code == 401
    with app.overriding(user, lambda: "double"):
        assert answer(await ask(app, "/1")) == "double 1"
    assert (await ask(app, "/1")).code == 401


async def test_doubles_have_parameters_too() -> None:
    async def double(id: int, name: str = "double") -> AsyncIterator[str]:
        yield f"{name} {id}"

    async def wrapper(original: str) -> str:
        return f"<{original}>"

    wrapper.__annotations__ = {"original": Annotated[str, api.Depends(user)], "return": str}
    app = guarded()

    async def asked(path: str = "/7", **headers: str) -> RawResponse:
        return await ask(app, path, **headers)

    with app.overriding(user, double):
        assert answer(await asked("/7?name=x")) == "x 7 7"
    with app.overriding(user, wrapper):
        assert answer(await asked("/7?realm=r", Authorization="Bearer t")) == "<user of t> 7"
