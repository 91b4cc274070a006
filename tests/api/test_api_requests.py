"""Typed methods: values out of requests, answers out of values, problems where they do not fit."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypedDict

import attrs
import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tornado_trio import api, web
from tornado_trio.testing import RawResponse, memory_server


class Colour(enum.Enum):
    RED = "red"


class Item(msgspec.Struct):
    name: str
    quantity: Annotated[int, msgspec.Meta(ge=1)]


@dataclasses.dataclass
class Order:
    items: list[Item]
    note: str = ""


@attrs.define
class Customer:
    name: str


class Address(TypedDict):
    street: str


async def ask(
    app: Any, path: str = "/", method: str = "GET", body: bytes = b"", **headers: str
) -> RawResponse:
    lines = [f"{method} {path} HTTP/1.1", "Host: a", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    async with memory_server(app) as server:
        data = "\r\n".join([*lines, "", ""]).encode() + body
        return await server.request(data, method)


def answer(response: RawResponse) -> Any:
    return msgspec.json.decode(response.body)


def faults(response: RawResponse) -> list[tuple[str, str]]:
    assert response.code == 422, response.body
    assert response.headers["Content-Type"] == "application/problem+json"
    document = answer(response)
    assert document["status"] == 422 and document["title"]
    assert all(each["detail"] for each in document["errors"])
    return [(each["source"], each["pointer"]) for each in document["errors"]]


# --- parameters --------------------------------------------------------------------------------


async def test_every_source() -> None:
    app = api.Application()

    @app.get("/{id:int}/{day}")
    async def get(
        id: int,
        day: datetime.date,
        limit: int = 20,
        tag: list[str] = [],  # noqa: B006
        user_agent: Annotated[str, api.Header()] = "",
        forwarded: Annotated[list[str], api.Header("X-For")] = [],  # noqa: B006
        theme: Annotated[Colour | None, api.Cookie()] = None,
        request_id: uuid.UUID | None = None,
    ) -> dict[str, Any]:
        return {
            "all": [id, day, limit, tag, user_agent, forwarded, theme, request_id],
        }

    response = await ask(
        app,
        "/7/2026-11-29?limit=5&tag=a&tag=b&request_id=3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        User_Agent="me",
        X_For="1",
        Cookie="theme=red",
    )
    assert answer(response) == {
        "all": [
            *(7, "2026-11-29", 5, ["a", "b"], "me", ["1"], "red"),
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        ]
    }
    assert answer(await ask(app, "/7/2026-11-29"))["all"][2:] == [20, [], "", [], None, None]
    # All that is wrong, at once.
    response = await ask(app, "/7/yesterday?limit=x&request_id=1", Cookie="theme=blue")
    assert faults(response) == [
        ("path", "day"),
        ("query", "limit"),
        ("cookie", "theme"),
        ("query", "request_id"),
    ]
    assert (await ask(app, "/x/2026-11-29")).code == 404
    assert (await ask(app, "/7/2026-11-29?tag=%ff")).code == 400


async def test_bodies_of_each_kind() -> None:
    app = api.Application()

    @app.post("/order")
    async def order(order: Order) -> Order:
        return dataclasses.replace(order, note=order.note + "!")

    @app.post("/customer")
    def customer(customer: Customer, address: str = "") -> Customer:
        return customer

    @app.post("/address")
    async def address(address: Address | None = None) -> Address | None:
        return address

    @app.post("/numbers")
    async def numbers(numbers: Annotated[list[int], api.Body()]) -> int:
        return sum(numbers)

    json = {"method": "POST", "Content_Type": "application/json"}
    good = b'{"items":[{"name":"a","quantity":2}]}'
    assert answer(await ask(app, "/order", body=good, **json))["note"] == "!"
    assert answer(await ask(app, "/customer", body=b'{"name":"x"}', **json)) == {"name": "x"}
    assert answer(await ask(app, "/numbers", body=b"[1,2]", **json)) == 3
    empty = await ask(app, "/address", "POST", Content_Length="0")
    assert (empty.code, empty.body) == (204, b"")

    # MessagePack both ways, by media type.
    packed = msgspec.msgpack.encode(msgspec.json.decode(good))
    response = await ask(
        app, "/order", "POST", packed,
        Content_Type="application/msgpack", Accept="application/msgpack, application/json;q=0.5",
    )  # fmt: skip
    assert response.headers["Content-Type"] == "application/msgpack"
    assert msgspec.msgpack.decode(response.body)["items"] == [{"name": "a", "quantity": 2}]
    response = await ask(
        app, "/customer", "POST", b'{"name":"x"}', Content_Type="application/vnd.x+json"
    )
    assert response.code == 200


async def test_every_fault_of_a_body_has_its_pointer() -> None:
    app = api.Application()

    @app.post("/")
    async def post(order: Order) -> None: ...

    body = b'{"items":[{"name":"a","quantity":0},{"quantity":1},{"name":3,"quantity":3}],"note":1}'
    response = await ask(app, "/", "POST", body, Content_Type="application/json")
    assert faults(response) == [
        ("body", "/items/0/quantity"),
        ("body", "/items/1/name"),
        ("body", "/items/2/name"),
        ("body", "/note"),
    ]
    assert faults(await ask(app, "/", "POST", b"[]", Content_Type="application/json")) == [
        ("body", "")
    ]
    assert faults(await ask(app, "/", "POST", Content_Length="0")) == [("body", "order")]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"items":[{"name":"a","quantity":2.0}]}', 2),
        (b'{"items":[{"name":"a","quantity":1e3}]}', 1000),
        (b'{"items":[{"name":"a","quantity":2.5}]}', ("body", "/items/0/quantity")),
        (b'{"items":[{"name":"a","quantity":0.0}]}', ("body", "/items/0/quantity")),
        (b'{"items":[{"name":"a","quantity":"2"}]}', ("body", "/items/0/quantity")),
        (b'{"items":[{"name":1.0,"quantity":2.0}]}', ("body", "/items/0/name")),
    ],
)
async def test_whole_numbers_may_be_written_as_floats(body: bytes, found: Any) -> None:
    """JSON knows numbers only; other languages write 2.0 for 2."""
    app = api.Application()

    @app.post("/")
    async def post(order: Order) -> int:
        return order.items[0].quantity

    response = await ask(app, "/", "POST", body, Content_Type="application/json")
    assert (answer(response) if response.code == 200 else faults(response)[0]) == found


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"items":"\xff"}', "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "application/json-seq", 415),
        (b"[" * 100_000, "application/json", 400),
    ],
)
async def test_bodies_that_cannot_be_read(body: bytes, content_type: str, status: int) -> None:
    app = api.Application()

    @app.post("/")
    async def post(order: Order) -> None: ...

    response = await ask(app, "/", "POST", body, Content_Type=content_type)
    assert response.code == status
    assert answer(response)["status"] == status


async def test_models_of_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic", reason="pydantic has no build for this Python yet")

    class Model(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        name: str
        size: int = pydantic.Field(default=1, ge=1)

    app = api.Application()

    async def post(model: Model) -> Model:
        return model

    # Names of a function's own are not found by annotations that are text.
    post.__annotations__ = {"model": Model, "return": Model}
    app.post("/")(post)
    json = {"method": "POST", "Content_Type": "application/json"}
    assert answer(await ask(app, body=b'{"name":"a","size":2}', **json)) == {"name": "a", "size": 2}
    assert faults(await ask(app, body=b'{"size":0}', **json)) == [
        ("body", "/name"),
        ("body", "/size"),
    ]
    assert "Model" in app.openapi()["components"]["schemas"]


async def test_faults_within_what_may_be_missing() -> None:
    pydantic = pytest.importorskip("pydantic", reason="pydantic has no build for this Python yet")

    class Model(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        name: str

    app = api.Application()
    for path, kind in (("/model", Model), ("/struct", Item)):

        async def post(body: Any = None) -> None: ...

        post.__annotations__ = {"body": kind | None, "return": None}
        app.post(path)(post)
        response = await ask(app, path, "POST", b'{"name":1}', Content_Type="application/json")
        assert ("body", "/name") in faults(response)
        response = await ask(app, path, "POST", b"null", Content_Type="application/json")
        assert response.code == 204


async def test_forms_and_files() -> None:
    app = api.Application()

    @app.post("/form")
    async def form(title: Annotated[str, api.Form()], n: Annotated[int, api.Form()] = 1) -> str:
        return title * n

    @app.post("/file")
    async def file(photo: api.UploadFile, more: list[api.UploadFile] = []) -> list[str]:  # noqa: B006
        return [photo.filename, photo.body.decode(), *(each.filename for each in more)]

    urlencoded = "application/x-www-form-urlencoded"
    response = await ask(app, "/form", "POST", b"title=a&n=3", Content_Type=urlencoded)
    assert answer(response) == "aaa"
    response = await ask(app, "/form", "POST", b"n=x", Content_Type=urlencoded)
    assert faults(response) == [("form", "title"), ("form", "n")]
    response = await ask(app, "/form", "POST", b"{}", Content_Type="application/json")
    assert response.code == 415

    part = (
        b'--x\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\nhello\r\n'
    )
    body = part % (b"photo", b"p.jpg") + part % (b"more", b"1") + part % (b"more", b"2") + b"--x--"
    multipart = "multipart/form-data; boundary=x"
    response = await ask(app, "/file", "POST", body, Content_Type=multipart)
    assert answer(response) == ["p.jpg", "hello", "1", "2"]
    response = await ask(app, "/file", "POST", b"--x--", Content_Type=multipart)
    assert faults(response) == [("form", "photo")]
    assert (await ask(app, "/file", "POST", b"a=b", Content_Type=urlencoded)).code == 415


async def test_forms_read_part_by_part() -> None:
    app = api.Application()

    @app.post("/")
    async def upload(parts: web.FormParts) -> dict[str, int]:
        return {part.name: len(await part.read()) async for part in parts}

    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"y" * 100_000
    response = await ask(
        app, "/", "POST", body + b"\r\n--x--", Content_Type="multipart/form-data; boundary=x"
    )
    assert answer(response) == {"a": 100_000}


async def test_forms_that_cannot_be_read_say_why() -> None:
    app = api.Application()

    @app.post("/parts")
    async def parts(parts: web.FormParts) -> int:
        return len([part async for part in parts])

    @app.post("/whole")
    async def whole(title: Annotated[str, api.Form()]) -> str:
        return title

    body = b'--x\r\nContent-Disposition: form-data; name=""\r\n\r\n1\r\n--x--'
    for path in ("/parts", "/whole"):
        response = await ask(
            app, path, "POST", body, Content_Type="multipart/form-data; boundary=x"
        )
        assert response.code == 400
        assert "missing name" in answer(response)["detail"]


# --- answers -----------------------------------------------------------------------------------


async def test_answers_by_annotation() -> None:
    app = api.Application()

    @app.get("/none")
    async def none() -> None: ...

    @app.get("/bytes")
    async def data() -> bytes:
        return b"\x00"

    @app.post("/created")
    async def created() -> Annotated[Item, api.Status(201)]:
        return Item("a", 1)

    @app.get("/own")
    async def own() -> api.Response[str]:
        return api.Response("<b>", 202, {"X-Own": "1"}, "text/html; charset=UTF-8")

    @app.get("/stream")
    async def stream() -> AsyncIterator[bytes]:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"ab"
                await trio.lowlevel.checkpoint()

        return chunks()

    @app.get("/written")
    async def written(handler: web.RequestHandler) -> None:
        handler.write("by hand")

    assert (await ask(app, "/none")).code == 204
    response = await ask(app, "/bytes")
    assert response.headers["Content-Type"] == "application/octet-stream"
    response = await ask(app, "/created", "POST", Content_Length="0")
    assert (response.code, answer(response)) == (201, {"name": "a", "quantity": 1})
    response = await ask(app, "/own")
    assert (response.code, response.body, response.headers["X-Own"]) == (202, b"<b>", "1")
    assert response.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert (await ask(app, "/stream")).body == b"ababab"
    assert (await ask(app, "/written")).body == b"by hand"
    head = await ask(app, "/bytes", "HEAD")
    assert (head.code, head.body, head.headers["Content-Length"]) == (200, b"", "1")
    assert (await ask(app, "/bytes", "POST")).headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_streams_of_each_kind() -> None:
    app = api.Application()

    @app.get("/bytes")
    async def data() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    @app.get("/text")
    async def text() -> AsyncIterator[str]:
        yield "ü"

    @app.get("/values")
    async def values(count: int = 2) -> AsyncIterator[Item]:
        for number in range(count):
            yield Item("a", number)

    for path, media_type, body in (
        ("/bytes", "application/octet-stream", b"ab"),
        ("/text", "text/plain; charset=UTF-8", "ü".encode()),
        ("/values", "application/jsonl", b'{"name":"a","quantity":0}\n{"name":"a","quantity":1}\n'),
    ):
        for accept in ("", "text/html"):  # there is no other form of a stream
            response = await ask(app, path, Accept=accept)
            assert (response.headers["Content-Type"], response.body) == (media_type, body)
        described = app.openapi()["paths"][path]["get"]["responses"]
        assert described["200"]["content"] == {media_type: {}}
        assert "406" not in described


async def test_a_response_of_text_says_its_own_type() -> None:
    app = api.Application()

    @app.get("/page")
    async def page() -> api.Response[str]:
        return api.Response("<b>", media_type="text/html; charset=UTF-8")

    @app.get("/maybe")
    async def maybe(there: bool = False) -> Item | None:
        return Item("a", 1) if there else None

    assert (await ask(app, "/page", Accept="text/html")).body == b"<b>"
    assert (await ask(app, "/maybe?there=on")).code == 200
    assert (await ask(app, "/maybe?there=no")).code == 204
    assert app.openapi()["paths"]["/maybe"]["get"]["responses"].keys() == {
        *("200", "204", "400", "406", "422")
    }


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity"])
async def test_numbers_are_those_that_json_has(text: str) -> None:
    app = api.Application()

    @app.get("/")
    async def get(number: float = 0, numbers: list[float] = []) -> None: ...  # noqa: B006

    assert faults(await ask(app, f"/?number={text}")) == [("query", "number")]
    assert faults(await ask(app, f"/?numbers=1&numbers={text}")) == [("query", "numbers")]


@pytest.mark.parametrize(
    ("accept", "status", "media_type"),
    [
        ("", 200, "application/json"),
        ("*/*", 200, "application/json"),
        ("application/*;q=0.1", 200, "application/json"),
        ("application/msgpack", 200, "application/msgpack"),
        ("application/json;q=0, */*", 200, "application/msgpack"),
        ("text/html", 406, "application/problem+json"),
        ("application/json;q=0", 406, "application/problem+json"),
        ("application/json;q=oops", 406, "application/problem+json"),
    ],
)
async def test_negotiation(accept: str, status: int, media_type: str) -> None:
    app = api.Application()

    @app.get("/")
    async def get() -> list[int]:
        return [1]

    response = await ask(app, Accept=accept)
    assert (response.code, response.headers["Content-Type"]) == (status, media_type)


async def test_errors_are_problems_everywhere() -> None:
    app = api.Application()

    @app.get("/own")
    async def own() -> None:
        raise api.Problem(409, "taken", title="Conflict", type="/problems/taken", until="noon")

    @app.get("/http")
    async def http() -> None:
        raise web.HTTPError(418, "secret %s", "text", reason="Teapot")

    @app.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError("secret")

    assert answer(await ask(app, "/own")) == {
        "type": "/problems/taken",
        "title": "Conflict",
        "status": 409,
        "detail": "taken",
        "until": "noon",
    }
    response = await ask(app, "/http")
    assert answer(response) == {"type": "about:blank", "title": "Teapot", "status": 418}
    assert b"secret" not in (await ask(app, "/bug")).body
    for path in ("/bug", "/nowhere"):
        response = await ask(app, path)
        assert response.headers["Content-Type"] == "application/problem+json"


async def test_credentials() -> None:
    app = api.Application()

    @app.get("/bearer")
    async def bearer(token: Annotated[str, api.Bearer(realm="x")]) -> str:
        return token

    @app.get("/basic")
    async def basic(who: Annotated[api.Credentials | None, api.Basic()] = None) -> str:
        return "nobody" if who is None else f"{who.username}:{who.password}"

    @app.get("/key")
    async def key(key: Annotated[str, api.ApiKey()]) -> str:
        return key

    response = await ask(app, "/bearer")
    assert response.code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="x"'
    assert answer(await ask(app, "/bearer", Authorization="bearer t")) == "t"
    assert answer(await ask(app, "/basic", Authorization="Basic YTpiOmM=")) == "a:b:c"
    assert answer(await ask(app, "/basic")) == "nobody"
    assert answer(await ask(app, "/basic", Authorization="Basic !")) == "nobody"
    assert answer(await ask(app, "/key", X_Api_Key="k")) == "k"
    assert (await ask(app, "/key")).code == 401
    schemes = app.openapi()["components"]["securitySchemes"]
    assert schemes.keys() == {"bearer", "basic", "apiKey"}
    assert "secret" not in repr(api.Credentials("me", "secret"))


# --- dependencies ------------------------------------------------------------------------------

EVENTS: list[str] = []


@asynccontextmanager
async def pool(size: int = 1) -> AsyncIterator[str]:
    EVENTS.append("open pool")
    try:
        yield f"pool {size}"
    finally:
        EVENTS.append("close pool")


@asynccontextmanager
async def connection(pool: Annotated[str, api.Depends(pool)]) -> AsyncIterator[str]:
    EVENTS.append("open connection")
    try:
        yield f"connection of {pool}"
    except BaseException as error:
        EVENTS.append(f"rolled back: {type(error).__name__}")
        raise
    finally:
        EVENTS.append("close connection")


async def user(connection: Annotated[str, api.Depends(connection)]) -> str:
    return f"user by {connection}"


def service() -> api.Application[Any]:
    EVENTS.clear()
    app: api.Application[Any] = api.Application()

    @app.get("/")
    async def get(
        user: Annotated[str, api.Depends(user)],
        connection: Annotated[str, api.Depends(connection)],
        fail: bool = False,
        wait: bool = False,
    ) -> list[str]:
        EVENTS.append("method")
        if wait:
            await trio.sleep_forever()
        if fail:
            raise ValueError
        return [user, connection]

    return app


OPENED = ["open pool", "open connection", "method"]


async def test_dependencies_are_made_once_and_closed_in_reverse() -> None:
    app = service()
    assert answer(await ask(app, "/?size=3")) == [
        "user by connection of pool 3",
        "connection of pool 3",
    ]
    assert EVENTS == [*OPENED, "close connection", "close pool"]


async def test_dependencies_see_what_failed() -> None:
    app = service()
    assert (await ask(app, "/?fail=1")).code == 500
    assert EVENTS == [*OPENED, "rolled back: ValueError", "close connection", "close pool"]


async def test_nothing_is_opened_for_a_request_that_does_not_fit() -> None:
    app = service()
    assert faults(await ask(app, "/?size=x&fail=maybe")) == [("query", "size"), ("query", "fail")]
    assert EVENTS == []


async def test_dependencies_are_closed_when_the_client_leaves() -> None:
    app = service()
    async with memory_server(app) as server:
        client = await server.connect()
        await client.send(b"GET /?wait=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        await wait_all_tasks_blocked()
        assert EVENTS == OPENED
        client.stream.close()
        await wait_all_tasks_blocked()
    assert EVENTS == [*OPENED, "rolled back: Cancelled", "close connection", "close pool"]


async def test_dependencies_are_replaced_in_tests() -> None:
    app = service()
    with app.overriding(connection, lambda: "fake"):
        assert answer(await ask(app)) == ["user by fake", "fake"]
    assert EVENTS == ["method"]
    assert app.dependency_overrides == {}


async def test_failing_to_close_is_the_requests_error() -> None:
    @asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        yield
        raise RuntimeError("could not commit")

    app = api.Application()

    async def post(db: None) -> None: ...

    post.__annotations__ = {"db": Annotated[None, api.Depends(failing)], "return": None}
    app.post("/")(post)
    assert (await ask(app, "/", "POST", Content_Length="0")).code == 500


class State:
    greeting = "hello"


class Greeting(api.Handler[State]):
    async def get(self, name: str) -> str:
        return f"{self.app.state.greeting} {name}"


async def shouted(app: api.Application[State]) -> str:
    return app.state.greeting.upper()


async def test_the_state_is_at_hand() -> None:
    app = api.Application([("/class/{name}", Greeting)], state=State())

    @app.get("/function")
    async def function(
        app: api.Application[State], name: Annotated[str, api.Depends(shouted)]
    ) -> list[str]:
        return [app.state.greeting, name]

    assert answer(await ask(app, "/class/ann")) == "hello ann"
    assert answer(await ask(app, "/function")) == ["hello", "HELLO"]


async def test_bodies_as_they_are() -> None:
    app = api.Application()

    @app.post("/bytes")
    async def data(data: Annotated[bytes, api.Body()]) -> bytes:
        return data[::-1]

    @app.post("/stream")
    async def stream(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield chunk.upper()

    for kind in ("image/png", "application/json"):
        assert (await ask(app, "/bytes", "POST", b"ab", Content_Type=kind)).body == b"ba"
        assert (await ask(app, "/stream", "POST", b"ab", Content_Type=kind)).body == b"AB"
    assert faults(await ask(app, "/bytes", "POST", Content_Length="0")) == [("body", "data")]
    for path in ("/bytes", "/stream"):
        described = app.openapi()["paths"][path]["post"]
        assert described["requestBody"]["content"] == {"application/octet-stream": {}}
        assert "415" not in described["responses"]


# --- tables ------------------------------------------------------------------------------------


class Orders(api.Handler):
    async def get(self, limit: int = 3) -> list[int]:
        """All orders.

        The newest first.
        """
        return list(range(limit))

    async def delete(self) -> None:
        raise web.HTTPError(403)


async def test_classes_routers_and_state() -> None:
    inner = api.Router(tags=["inner"])

    @inner.get("/{id:int}", name="one")
    async def one(id: int, handler: web.RequestHandler) -> int:
        app: Any = handler.application
        return id + app.state["offset"]

    outer = api.Router(tags=["outer"])
    outer.include(inner, "/orders")
    app = api.Application([("/orders", Orders)], state={"offset": 10})
    app.include(outer, "/v1")
    assert answer(await ask(app, "/orders?limit=2")) == [0, 1]
    assert answer(await ask(app, "/v1/orders/5")) == 15
    assert (await ask(app, "/orders", "DELETE")).code == 403
    assert (await ask(app, "/orders", "PUT")).code == 405
    assert app.reverse_url("one", 5) == "/v1/orders/5"
    assert app.openapi()["paths"]["/v1/orders/{id}"]["get"]["tags"] == ["inner", "outer"]
    with pytest.raises(RuntimeError, match=r"Application\(state="):
        api.Application().state  # noqa: B018


async def test_typed_methods_in_a_plain_application() -> None:
    app = web.Application([(r"/(?P<id>\d+)", Numbered)])
    assert answer(await ask(app, "/5")) == 5
    assert (await ask(app, "/5?offset=x")).code == 422


class Numbered(api.Handler):
    async def get(self, id: int, offset: int = 0) -> int:
        return id + offset
