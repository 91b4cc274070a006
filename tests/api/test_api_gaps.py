"""Answers have all fields of what they are said to be, however the value came about."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, NamedTuple, TypedDict

import attrs
import msgspec
import pytest

from tornado_trio import api
from tornado_trio.api.gaps import fill, may_have_gaps

from .test_api_requests import answer, ask, faults


@dataclasses.dataclass
class Note:
    text: str
    by: str = "nobody"
    tags: list[str] = dataclasses.field(default_factory=list)
    kind: str = dataclasses.field(default="note", init=False)


@dataclasses.dataclass(frozen=True)
class Frozen:
    note: Note | None = None
    size: int = 3


@dataclasses.dataclass(slots=True)
class Slotted:
    size: int = 3


@attrs.define(slots=False)
class Made:
    note: Note
    size: int = 3


class Struct(msgspec.Struct):
    note: Note
    size: int = 3


class Typed(TypedDict):
    note: Note


class Named(NamedTuple):
    note: Note
    size: int = 3


WHOLE = {"text": "a", "by": "nobody", "tags": [], "kind": "note"}


@pytest.mark.parametrize(
    ("kind", "body", "whole"),
    [
        (Note, '{"text":"a"}', WHOLE),
        (Frozen, "{}", {"note": None, "size": 3}),
        (Frozen, '{"note":{"text":"a"}}', {"note": WHOLE, "size": 3}),
        (Slotted, "{}", {"size": 3}),
        (Made, '{"note":{"text":"a"}}', {"note": WHOLE, "size": 3}),
        (Struct, '{"note":{"text":"a"}}', {"note": WHOLE, "size": 3}),
        (Typed, '{"note":{"text":"a"}}', {"note": WHOLE}),
        (Named, '[{"text":"a"}]', [WHOLE, 3]),
        (list[Note], '[{"text":"a"},{"text":"a"}]', [WHOLE, WHOLE]),
        (dict[str, list[Note]], '{"x":[{"text":"a"}]}', {"x": [WHOLE]}),
        (tuple[int, Note], '[1,{"text":"a"}]', [1, WHOLE]),
        (Note | None, '{"text":"a"}', WHOLE),
    ],
)
async def test_what_came_without_its_defaults_is_sent_with_them(
    kind: Any, body: str, whole: Any
) -> None:
    app = api.Application()

    async def echo(value: Any) -> Any:
        return value

    echo.__annotations__ = {"value": Annotated[kind, api.Body()], "return": Any}
    app.post("/")(echo)
    response = await ask(app, "/", "POST", body.encode(), Content_Type="application/json")
    assert answer(response) == whole


async def test_fields_that_init_leaves_to_the_class() -> None:
    app = api.Application()

    @app.get("/")
    async def get() -> dict[str, Note]:
        return {"note": Note("a")}

    @app.get("/own")
    async def own() -> api.Response[Note]:
        return api.Response(Note("a"))

    assert answer(await ask(app)) == {"note": WHOLE}
    assert answer(await ask(app, "/own")) == WHOLE


def test_only_types_with_gaps_are_looked_through() -> None:
    assert may_have_gaps(dict[str, tuple[Note, int]])
    for kind in (Slotted, str, list[int], Any, dict[str, Slotted]):
        assert not may_have_gaps(kind)


def test_values_that_hold_themselves() -> None:
    loop: list[Any] = [Note("a")]
    loop.append(loop)
    fill(loop)
    assert loop[0].__dict__["by"] == "nobody"


async def test_keys_that_are_no_text_are_no_faults() -> None:
    app = api.Application()

    @app.post("/")
    async def post(counts: dict[int, int], limit: int = 0) -> None: ...

    headers = {"Content_Type": "application/json"}
    assert (await ask(app, "/", "POST", b'{"1":2}', **headers)).code == 204
    assert faults(await ask(app, "/", "POST", b'{"x":2}', **headers)) == [("body", "")]
