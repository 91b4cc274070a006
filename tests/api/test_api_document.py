"""The OpenAPI document of programs with names that meet: unique, and with all references there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import pytest

from tornado_trio import api

from .test_api_requests import answer, ask

T = TypeVar("T")


class Problem(msgspec.Struct):
    """A program's own."""

    mine: int


class PageOf(msgspec.Struct, Generic[T]):
    items: list[T]


def references(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if "$ref" in tree:
            yield tree["$ref"]
        for each in tree.values():
            yield from references(each)
    elif isinstance(tree, list):
        for each in tree:
            yield from references(each)


def checked(app: api.Application[Any]) -> dict[str, Any]:
    document = app.openapi()
    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= names
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))
    return document


def method(body: Any, returned: Any) -> Any:
    async def post(body: Any) -> Any:
        return body

    post.__annotations__ = {"body": body, "return": returned}
    return post


def schema(document: dict[str, Any], path: str) -> Any:
    """Of the body of POST, with its reference followed."""
    found = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return document["components"]["schemas"][found["$ref"].rpartition("/")[2]]


def test_functions_of_one_name() -> None:
    app: api.Application[None] = api.Application()
    app.post("/a/{x}")(named := _with_x())
    app.post("/b/{x}")(named)
    app.post("/c")(method(dict[str, int], None))
    document = checked(app)
    assert document["paths"]["/a/{x}"]["post"]["operationId"] == "post"
    assert document["paths"]["/b/{x}"]["post"]["operationId"] == "post_b_x"


def test_operations_are_called_as_their_functions() -> None:
    """Also where several answer at one path: generators of clients make methods of these names."""
    app: api.Application[None] = api.Application()

    @app.post("/things")
    async def add() -> None: ...

    @app.get("/things")
    async def search() -> None: ...

    async def thing(x: str) -> None: ...

    for path in ("/things/{x}", "/others/{x}"):
        app.get(path)(thing)
        app.put(path)(thing)

    class Class(api.Handler[None]):
        async def get(self) -> None: ...

    app.add("/class", Class)
    found = {
        f"{verb} {path}": each["operationId"]
        for path, methods in checked(app)["paths"].items()
        for verb, each in methods.items()
    }
    assert found == {
        "post /things": "add",
        "get /things": "search",
        "get /things/{x}": "thing",
        "put /things/{x}": "thing_things_x",
        "get /others/{x}": "thing_others_x",
        "put /others/{x}": "put_thing_others_x",
        "get /class": "get_Class",
    }


def _with_x() -> Any:
    async def post(x: str) -> None: ...

    return post


def test_a_class_called_problem() -> None:
    app: api.Application[None] = api.Application()
    app.post("/")(method(Problem, PageOf[Problem]))
    document = checked(app)
    schemas = document["components"]["schemas"]
    assert schemas["Problem"]["properties"].keys() == {"mine"}
    problem = document["paths"]["/"]["post"]["responses"]["422"]["content"]
    assert problem["application/problem+json"]["schema"]["$ref"].endswith("/ProblemDetails")
    assert "status" in schemas["ProblemDetails"]["properties"]


async def test_models_of_pydantic_with_names_that_meet() -> None:
    pydantic = pytest.importorskip("pydantic", reason="pydantic has no build for this Python yet")

    def made(field: str) -> Any:
        return pydantic.create_model("Thing", **{field: (int, ...)})

    @dataclasses.dataclass
    class Thing:
        own: int

    class Tree(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        kids: list[Tree] = []
        name: str = pydantic.Field("", alias="treeName")

    Tree.model_rebuild(_types_namespace={"Tree": Tree})
    app: api.Application[None] = api.Application()
    one, other = made("one"), made("other")
    app.post("/one")(method(one, one))
    app.post("/other")(method(other, list[other]))
    app.post("/thing")(method(Thing, Thing))
    app.post("/tree")(method(Tree, Tree))
    app.post("/mixed")(method(PageOf[one], None))
    document = checked(app)
    assert schema(document, "/one")["properties"].keys() == {"one"}
    assert schema(document, "/other")["properties"].keys() == {"other"}
    assert schema(document, "/thing")["properties"].keys() == {"own"}
    assert schema(document, "/tree")["properties"].keys() == {"kids", "treeName"}
    response = await ask(
        app, "/tree", "POST", b'{"treeName":"a"}', Content_Type="application/json"
    )
    assert answer(response) == {"kids": [], "treeName": "a"}


def test_all_of_the_credentials_or_some() -> None:
    app: api.Application[None] = api.Application()

    @app.get("/both")
    async def both(
        token: Annotated[str, api.Bearer()], key: Annotated[str, api.ApiKey()]
    ) -> None: ...

    @app.get("/more")
    async def more(
        token: Annotated[str, api.Bearer()], key: Annotated[str | None, api.ApiKey()] = None
    ) -> None: ...

    @app.get("/maybe")
    async def maybe(token: Annotated[str | None, api.Bearer()] = None) -> None: ...

    paths = checked(app)["paths"]
    assert paths["/both"]["get"]["security"] == [{"bearer": [], "apiKey": []}]
    assert paths["/more"]["get"]["security"] == [{"bearer": [], "apiKey": []}, {"bearer": []}]
    assert paths["/maybe"]["get"]["security"] == [{"bearer": []}, {}]
