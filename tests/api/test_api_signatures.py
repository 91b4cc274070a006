"""Signatures that cannot work are refused when the route is made, with file and line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import pytest

from tornado_trio import api, web


class Thing(msgspec.Struct):
    name: str


class Other(msgspec.Struct):
    name: str


async def no_annotation(x) -> None: ...  # type: ignore[no-untyped-def]
async def no_return(x: int): ...  # type: ignore[no-untyped-def]
async def stars(*args: int) -> None: ...
async def more(**kwargs: int) -> None: ...
async def positional(x: int, /) -> None: ...
async def two_bodies(a: Thing, b: Other) -> None: ...
async def body_and_form(a: Thing, b: Annotated[str, api.Form()]) -> None: ...
async def in_query(a: Annotated[Thing, api.Query()]) -> None: ...
async def object_in_form(a: Annotated[Thing, api.Form()]) -> None: ...
async def no_part(a: Annotated[int, api.Path()]) -> None: ...
async def parts_and_fields(a: web.FormParts, b: Annotated[str, api.Form()]) -> None: ...
async def unknown_name(a: NoSuchName) -> None: ...  # type: ignore[name-defined]  # noqa: F821
async def not_sendable() -> web.Application: ...  # type: ignore[empty-body]


async def loop(x: Annotated[int, api.Depends(lambda: 1)]) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_annotation, "parameter 'x' has no annotation"),
        (no_return, "does not say what it returns"),
        (stars, "name each parameter"),
        (more, "name each parameter"),
        (positional, "positional only"),
        (two_bodies, "more than one body"),
        (body_and_form, "takes its body in more than one way"),
        (in_query, "parameter 'a': a query cannot hold an object"),
        (object_in_form, "a field of a form is text"),
        (no_part, r"parameter 'a' is no part of the path; its route needs \{a\}"),
        (parts_and_fields, "part by part"),
        (unknown_name, "NoSuchName"),
        (not_sendable, "returns what cannot be sent"),
    ],
)
def test_refused_with_file_and_line(function: Any, message: str) -> None:
    app = api.Application()
    with pytest.raises(api.SignatureError, match=message) as caught:
        app.get("/")(function)
    code = function.__code__
    assert str(caught.value).startswith(f"{code.co_filename}:{code.co_firstlineno}: ")


def test_parts_of_the_path_need_parameters() -> None:
    app = api.Application()
    with pytest.raises(api.SignatureError, match=r"no parameter for the path's \{id\}"):
        app.get("/{id:int}")(loop)


def test_one_answer_a_method() -> None:
    app = api.Application()
    app.get("/")(loop)
    with pytest.raises(api.SignatureError, match="answered twice"):
        app.get("/")(loop)
    with pytest.raises(ValueError, match="does not begin with '/'"):
        app.get("orders")


def test_dependencies_that_need_themselves() -> None:
    async def egg(hen: int) -> int:
        return hen

    async def hen(egg: int) -> int:
        return egg

    egg.__annotations__ = {"hen": Annotated[int, api.Depends(hen)]}
    hen.__annotations__ = {"egg": Annotated[int, api.Depends(egg)]}

    async def farm(hen: int) -> None: ...

    farm.__annotations__ = {"hen": Annotated[int, api.Depends(hen)], "return": None}
    with pytest.raises(api.SignatureError, match="depends on itself"):
        api.Application().get("/")(farm)


def test_classes_are_looked_at_when_a_rule_leads_there() -> None:
    class Wrong(api.Handler):
        async def get(self, x) -> None: ...  # type: ignore[no-untyped-def]

    for make in (api.Application, web.Application):
        with pytest.raises(api.SignatureError, match="Wrong.get: parameter 'x'"):
            make([("/", Wrong)])


def test_a_class_serves_paths_of_the_same_names() -> None:
    class Named(api.Handler):
        async def get(self, id: int) -> None: ...

    app = api.Application([("/a/{id:int}", Named), ("/b/{id:int}", Named)])
    with pytest.raises(api.SignatureError, match="make a subclass"):
        app.add("/c", Named)


def test_groups_need_names() -> None:
    class Named(api.Handler):
        async def get(self, id: int = 0) -> None: ...

    with pytest.raises(api.SignatureError, match=r"have no names; write \(\?P<id>"):
        web.Application([(r"/(\d+)", Named)])
    with pytest.raises(api.SignatureError, match="have no names"):
        api.Application().get(r"/(\d+)")(loop)


def test_expressions_name_parts_too() -> None:
    app = api.Application()
    with pytest.raises(api.SignatureError, match=r"no parameter for the path's \{id\}"):
        app.get(r"/(?P<id>\d+)")(loop)


async def text_stream(a: AsyncIterator[str]) -> None: ...
async def stream_and_form(a: AsyncIterator[bytes], b: Annotated[str, api.Form()]) -> None: ...


def test_bodies_that_come_in_pieces() -> None:
    for function, message in (
        (text_stream, "a body comes as AsyncIterator"),
        (stream_and_form, "takes its body in more than one way"),
    ):
        with pytest.raises(api.SignatureError, match=message):
            api.Application().post("/")(function)


def test_paths_tags_and_functions() -> None:
    app: api.Application[None] = api.Application()
    router = api.Router()
    router.get("")(loop)
    with pytest.raises(ValueError, match="the path 'v1' does not begin with '/'"):
        app.include(router, "v1")
    with pytest.raises(ValueError, match="the prefix '/v1/' ends with '/'"):
        app.include(router, "/v1/")
    with pytest.raises(ValueError, match="the path '' does not begin with '/'"):
        app.include(router)
    app.include(router, "/v1")
    assert app.openapi()["paths"].keys() == {"/v1"}
    with pytest.raises(ValueError, match="'openapi.json' does not begin"):
        api.Application(openapi_path="openapi.json")
    with pytest.raises(TypeError, match=r"tags is a list: \['orders'\]"):
        app.get("/a", tags="orders")
    for wrong in (3, api.Handler):
        with pytest.raises(TypeError, match="is answered by a function, not by"):
            app.get("/a")(wrong)  # type: ignore[type-var]
