"""The OpenAPI document says what the routes do, and its page shows it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from tornado_trio import api, web

from .test_api_requests import ask

ROOT = Path(__file__).parents[2]


def with_path(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(folder)}


class Pet(msgspec.Struct):
    name: str
    legs: Annotated[int, msgspec.Meta(ge=0, description="how many")] = 4


app: api.Application[Any] = api.Application(
    title="Pets", version="1.2", description="All about pets."
)


@app.get("/pets/{id:int}", tags=["pets"], summary="One pet")
async def pet(
    id: int, full: bool = False, token: Annotated[str, api.Bearer(format="JWT")] = ""
) -> Annotated[Pet, api.Status(200, "the pet")]:
    return Pet("Rex")


@app.post("/pets", examples={"dog": Pet("Rex")})
async def add(pet: Pet) -> Annotated[Pet, api.Status(201)]:
    """Add a pet.

    It gets a number.
    """
    return pet


@app.put("/photo", deprecated=True)
async def photo(photo: api.UploadFile, title: Annotated[str, api.Form()] = "") -> None: ...


@app.get("/export")
async def export() -> AsyncIterator[bytes]: ...  # type: ignore[empty-body]


@app.get("/internal", hidden=True)
async def internal() -> None: ...


class Legacy(api.Handler):
    async def delete(self, name: str) -> None: ...


app.add(r"/legacy/(?P<name>\w+)", Legacy)


def test_operations() -> None:
    document = app.openapi()
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {
        "title": "Pets",
        "version": "1.2",
        "description": "All about pets.",
    }
    assert set(document["paths"]) == {"/pets/{id}", "/pets", "/photo", "/export", "/legacy/{name}"}
    get = document["paths"]["/pets/{id}"]["get"]
    assert (get["summary"], get["tags"]) == ("One pet", ["pets"])
    assert get["security"] == [{"bearer": []}, {}]  # its token may be missing
    assert [(each["name"], each["in"], each["required"]) for each in get["parameters"]] == [
        ("id", "path", True),
        ("full", "query", False),
    ]
    assert get["parameters"][1]["schema"] == {"type": "boolean", "default": False}
    assert get["responses"]["200"]["description"] == "the pet"
    assert {"200", "401", "406", "422"} <= set(get["responses"])
    post = document["paths"]["/pets"]["post"]
    assert (post["summary"], post["description"]) == ("Add a pet.", "It gets a number.")
    content = post["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Pet"}
    assert content["examples"] == {"dog": {"value": {"name": "Rex", "legs": 4}}}
    assert set(post["responses"]) == {"201", "400", "406", "413", "415", "422"}
    put = document["paths"]["/photo"]["put"]
    assert put["deprecated"]
    form = put["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["photo"] and set(form["properties"]) == {"photo", "title"}
    assert document["components"]["schemas"]["Pet"]["properties"]["legs"]["minimum"] == 0
    assert document["components"]["securitySchemes"]["bearer"]["bearerFormat"] == "JWT"


async def test_the_document_and_its_page() -> None:
    response = await ask(app, "/openapi.json")
    assert response.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(response.body) == app.openapi()
    page = await ask(app, "/docs")
    assert b'fetch("/openapi.json")' in page.body
    # Nothing comes from elsewhere.
    assert b"http://" not in page.body and b"https://" not in page.body
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


async def test_neither_where_not_wanted() -> None:
    bare: api.Application[Any] = api.Application(openapi_path=None)
    assert (await ask(bare, "/openapi.json")).code == 404
    assert (await ask(bare, "/docs")).code == 404
    assert bare.openapi()["paths"] == {}


def test_without_msgspec_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['msgspec'] = None\n"
        "try: import tornado_trio.api\n"
        "except ImportError as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "tornado_trio.api needs msgspec: pip install 'tornado-trio[api]'"


def test_web_does_not_load_it() -> None:
    code = "import sys, tornado_trio.web; assert 'msgspec' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)




def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "pets.py").write_text(
        "from tornado_trio import api, web\n"
        "app = api.Application(title='Pets')\n"
        "@app.get('/pets')\n"
        "async def pets() -> list[str]: ...\n"
        "def make(): return app\n"
        "plain = web.Application()\n"
    )

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tornado_trio", "openapi", *arguments],
            capture_output=True, text=True, cwd=tmp_path, env=with_path(ROOT),
        )  # fmt: skip

    for target in ("pets:app", "pets:make", "pets.py:app"):
        ended = command(target)
        assert ended.stderr == ""
        assert msgspec.json.decode(ended.stdout)["paths"].keys() == {"/pets"}
    ended = command("pets:plain")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "pets:plain is a Application, and no api.Application" in ended.stderr
    assert "no 'nothing' in pets" in command("pets:nothing").stderr
    assert "openapi takes one argument" in command().stderr


def test_problems_that_a_method_raises_are_documented() -> None:
    app: api.Application[None] = api.Application()

    @app.get("/{id:int}")
    @web.timeout(5)
    @api.raises(409, 502)
    async def one(id: int) -> int:
        return id

    found = app.openapi()["paths"]["/{id}"]["get"]["responses"]
    assert list(found) == ["200", "404", "406", "409", "422", "502", "503"]
    assert found["409"]["description"] == "Conflict"
    with pytest.raises(ValueError, match="400 to 599"):
        api.raises(200)
