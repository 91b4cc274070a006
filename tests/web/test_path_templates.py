"""Path patterns with named, converted parts."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from tornado_trio.testing import memory_server
from tornado_trio.web import Application, RequestHandler, URLSpec
from tornado_trio.web.path_templates import PathTemplate, is_template
from tornado_trio.web.route_index import RuleList
from tornado_trio.web.rules import RuleRouter

from .support import fetch

ID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


def match(template: str, path: str) -> Any:
    found = PathTemplate(template).match(SimpleNamespace(path=path))  # type: ignore[arg-type]
    return found and found["path_kwargs"]


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("/o/{id:int}", "/o/7", {"id": 7}),
        ("/o/{id:int}", "/o/-7", {"id": -7}),
        ("/o/{id:int}", "/o/x", None),
        ("/o/{id:int}", "/o/7/", None),
        ("/o/{id:int}", "/o/" + "9" * 30, None),
        ("/o/{name}", "/o/a%20b", {"name": b"a b"}),
        ("/o/{name}", "/o/a/b", None),
        ("/o/{name}", "/o/", None),
        ("/f/{rest:path}", "/f/a/b.txt", {"rest": b"a/b.txt"}),
        ("/p/{x:float}/{y:float}", "/p/1.5/-2", {"x": 1.5, "y": -2.0}),
        ("/u/{id:uuid}", f"/u/{ID}", {"id": uuid.UUID(ID)}),
        ("/u/{id:uuid}", "/u/1234", None),
        ("/a.b+c/{x}", "/a.b+c/1", {"x": b"1"}),
        ("/a.b/{x}", "/axb/1", None),
    ],
)
def test_match(template: str, path: str, values: dict[str, Any] | None) -> None:
    assert match(template, path) == values


def test_what_is_a_template() -> None:
    assert is_template("/{id}") and is_template("/{id:int}")
    # Quantifiers of regular expressions are none.
    assert not is_template(r"/(\d{3})/([a-z]{2,4})")


@pytest.mark.parametrize(
    ("template", "message"),
    [("/{a:hex}", "no converter 'hex'; there are str, int"), ("/{a}/{a}", "two parts called 'a'")],
)
def test_mistakes_name_the_rule(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Application([(template, RequestHandler)])
    assert template in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("pattern", "odd"),
    [
        (r"/x/{id:\d+}", r"{id:\d+}"),
        ("/x/{id:[0-9]{2}}", "{id:[0-9]{2}}"),
        ("/x/{a}/{b:[a-z]+}", "{b:[a-z]+}"),
        ("/x/{id", "{id"),
        ("/x/{}", "{}"),
        ("/x/<id>", "<id>"),
        ("/x/<int:id>", "<int:id>"),
    ],
)
def test_parts_of_other_frameworks_are_refused(pattern: str, odd: str) -> None:
    with pytest.raises(ValueError, match=r"Write \{name\} or \{name:int\}") as caught:
        Application([(pattern, RequestHandler)])
    assert f"{odd!r} is no part" in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (r"/([a-z]{2,4})/\d{3}", "/abc/123"),
        (r"/x{,3}", "/xx"),
        (r"/\{id\}", "/{id}"),
        (r"/[{}<int:id>]+", "/{<>}"),
        (r"/(?P<id>\d+)-(?P=id)", "/7-7"),
        (r"/(?<=/)a(?<!b)", "/a"),
        (r"/\N{DIGIT ONE}", "/1"),
    ],
)
async def test_regular_expressions_are_none_of_these(pattern: str, path: str) -> None:
    class Found(RequestHandler):
        def get(self, *args: str, **named: str) -> None:
            self.write("found")

    assert (await fetch(Application([(pattern, Found)]), path)).body == b"found"


def test_reverse() -> None:
    app = Application(
        [
            ("/orders/{id:int}/{name}", RequestHandler, {}, "order"),
            URLSpec("/files/{path:path}", RequestHandler, name="file"),
        ]
    )
    assert app.reverse_url("order", 7, "a b/c") == "/orders/7/a%20b%2Fc"
    assert app.reverse_url("file", "a/b c") == "/files/a/b%20c"
    with pytest.raises(AssertionError):
        app.reverse_url("order", 7)


async def test_handlers_get_converted_values() -> None:
    class Handler(RequestHandler):
        def get(self, id: int, name: str) -> None:
            assert self.path_kwargs == {"id": id, "name": name}
            self.write({"id": id, "name": name})

    app = Application([("/{id:int}/{name}", Handler)])
    assert (await fetch(app, "/7/caf%C3%A9")).body == b'{"id": 7, "name": "caf\\u00e9"}'
    assert (await fetch(app, "/x/y")).code == 404
    async with memory_server(app) as server:
        assert (await server.get("/7/%ff")).code == 400


def test_ten_thousand_routes_cost_as_one() -> None:
    """Counted: how many rules are asked about a path."""
    rules = [(f"/r{i}/{{id:int}}", RequestHandler) for i in range(10_000)]
    router = Application(rules).wildcard_router
    assert isinstance(router, RuleRouter)
    assert isinstance(router.rules, RuleList)
    index = router.rules.route_index  # complete before there is a request
    assert index is not None
    assert [rule.matcher.match(_request("/r77/5")) for rule in index.candidates("/r77/5")] == [
        {"path_args": [], "path_kwargs": {"id": 5}}
    ]
    assert index.candidates("/unknown/5") == []


def _request(path: str) -> Any:
    return SimpleNamespace(path=path)
