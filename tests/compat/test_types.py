"""What a type checker makes of programs for Tornado."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
API = ROOT / "tests" / "upstream" / "api" / "tornado-6.6.1.json"

# Attributes of a client connection that ours has not.
MISSING = {"connection", "parsed", "parsed_hostname"}

PROGRAM = """\
from typing import Any, assert_type
from tornado import gen, httputil, tcpclient, web, websocket
from tornado.concurrent import Future
from tornado.httpclient import AsyncHTTPClient, HTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.queues import Queue

class Handler(web.RequestHandler):
    async def get(self) -> None:
        assert_type(await AsyncHTTPClient().fetch("http://a.test"), HTTPResponse)
        assert_type(HTTPClient().fetch("http://a.test"), HTTPResponse)
        assert_type(self.request, httputil.HTTPServerRequest)
        assert_type(self.request.headers, httputil.HTTPHeaders)
        assert_type(self.application, web.Application)
        assert_type(self.get_argument("a"), str)
        assert_type(self.get_argument("a", None), str | None)
        queue: Queue[int] = Queue(maxsize=2)
        await queue.put(1)
        assert_type(await queue.get(), int)
        assert_type(queue.get_nowait(), int)
        async for item in queue:
            assert_type(item, int)
        self.write({"a": 1})
        await self.flush()
        queue.put("text")

class Socket(websocket.WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message)

async def main() -> None:
    assert_type(web.Application([(r"/", Handler)]).listen(8888), HTTPServer)
    assert_type(IOLoop.current(), IOLoop)
    assert_type(IOLoop.current(instance=False), IOLoop | None)
    assert_type(IOLoop(), IOLoop)
    future: Future[int] = Future()
    assert_type(await future, int)
    plain = Future()
    plain.set_result(b"")
    await gen.sleep(1)
    await gen.multi([future, gen.sleep(1)])

def converted(deferred: Any) -> Future:
    return Future()

gen.convert_yielded.register(int, converted)
"""


def uses_of_all_names() -> Iterator[str]:
    """A line for each documented name, and for each of a class's."""
    yield "# mypy: allow-any-generics"
    for module, names in json.loads(API.read_text()).items():
        if module == "tornado.platform.caresresolver":  # pycares has no types
            continue
        yield f"import {module}"
        for name, about in names.items():
            yield f"{module}.{name}"
            members = [name for name in about.get("members", ()) if not name.startswith("_")]
            if name == "WebSocketClientConnection":
                members = [name for name in members if name not in MISSING]
            for number, member in enumerate(members):
                one = f"{module}.{name}_{number}".replace(".", "_")
                yield f"def {one}(one: {module}.{name}) -> object: return one.{member}"


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """File -> the errors in it. One run for all: it reads the whole overlay."""
    api = pytest.importorskip("mypy.api")
    folder = tmp_path_factory.mktemp("types")
    (folder / "program.py").write_text(PROGRAM)
    (folder / "names.py").write_text("\n".join(uses_of_all_names()) + "\n")
    patch: Any
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPYPATH", f"{ROOT / 'compat'}:{ROOT}")
        patch.chdir(folder)
        arguments = ["--strict", f"--python-executable={sys.executable}", "--cache-dir=cache"]
        out, err, _ = api.run([*arguments, "program.py", "names.py"])
    assert err == ""
    errors = [line for line in out.splitlines() if ": error: " in line]
    found = {line.partition(":")[0] for line in errors}
    assert found <= {"program.py", "names.py"}, out
    return {file: [e for e in errors if e.startswith(file)] for file in ("program.py", "names.py")}


@pytest.mark.timeout(240)
def test_a_program(checked: dict[str, list[str]]) -> None:
    (wrong,) = checked["program.py"]
    assert '"put" of "Queue" has incompatible type "str"; expected "int"' in wrong


@pytest.mark.timeout(240)
def test_every_documented_name_is_seen(checked: dict[str, list[str]]) -> None:
    lines = list(uses_of_all_names())
    wrong = [(e, lines[int(e.split(":")[1]) - 1]) for e in checked["names.py"]]
    assert wrong == [], "\n".join(map(str, wrong))
