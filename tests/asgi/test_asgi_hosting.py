"""One corpus of behaviours: on our server, and under the ASGI servers that people use."""

from __future__ import annotations

import importlib.util
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trio
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.asgi import service
from tests.children import ending
from tests.platforms import HAS_EPOLL, WITHOUT_EPOLL
from tests.ports import free_port

ROOT = Path(__file__).parents[2]

SERVERS = {
    "ours": "-m tests.asgi.service PORT",
    "serve-http2": "-m tornado_trio serve --http2 --port PORT tests.asgi.service:application",
    "serve-http2-h2": "-m tornado_trio serve --http2 --port PORT tests.asgi.service:application",
    "hypercorn-trio": "-m hypercorn -k trio -b 127.0.0.1:PORT tests.asgi.service:app",
    "hypercorn-trio-h2": "-m hypercorn -k trio -b 127.0.0.1:PORT tests.asgi.service:app",
    "hypercorn-asyncio": "-m hypercorn -k asyncio -b 127.0.0.1:PORT tests.asgi.service:app",
    "uvicorn": "-m uvicorn --port PORT --log-level warning tests.asgi.service:app",
    "granian": "-m granian --interface asgi --port PORT tests.asgi.service:app",
}


@dataclass
class Served:
    """A server in a process of its own."""

    name: str
    port: int
    process: subprocess.Popen[str]
    notes: queue.Queue[str]
    client: httpx.Client

    def wait_note(self, text: str, seconds: float = 20) -> None:
        """Until the application has noted `text`."""
        until = time.monotonic() + seconds
        while self.notes.get(timeout=max(0.01, until - time.monotonic())) != text:
            continue

    @property
    def websocket(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


#: The client is all tests': a connection it kept would be one that a test has left behind.
ONCE = httpx.Limits(max_keepalive_connections=0)


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    name = request.param
    package = "hypercorn" if "http2" in name else name.partition("-")[0]
    if package != "ours" and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    if package == "granian" and not hasattr(os, "fork"):
        pytest.skip("granian forks its workers")
    port = free_port()
    process = start(SERVERS[name], port)
    notes: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    lines = process.stdout

    def listen() -> None:
        for line in lines:
            if line.startswith("note: "):
                notes.put(line.removeprefix("note: ").strip())

    reader = threading.Thread(target=listen)
    reader.start()
    try:
        wait_for(port, process)
        http2 = name.endswith("h2")
        base = f"http://127.0.0.1:{port}"
        with httpx.Client(
            base_url=base, http1=not http2, http2=http2, timeout=30, limits=ONCE
        ) as client:
            yield Served(name, port, process, notes, client)
        process.terminate()
        process.wait(20)
    finally:
        process.kill()
        reader.join()
        lines.close()


def start(command: str, port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command.replace("PORT", str(port)).split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    for _ in range(300):
        assert process.poll() is None, "the server has ended"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server does not listen")


def test_plain_requests(served: Served) -> None:
    assert served.client.get("/?name=caf%C3%A9").text == "hello café"
    assert served.client.post("/", content=b"\x00\xff" * 1000).content == b"\x00\xff" * 1000
    answer = served.client.get("/where/a%20b/c?x=1&y").json()
    assert answer == {
        "path": "/where/a%20b/c",
        "query": "x=1&y",
        "rest": "a b/c",
        "ip": "127.0.0.1",
    }
    assert served.client.get("/nowhere").status_code == 404
    head = served.client.head("/")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "11")
    unchanged = served.client.get("/unchanged")
    assert (unchanged.status_code, unchanged.headers["etag"]) == (304, '"a"')
    assert served.client.get("/children").text == "[0, 1, 2]"
    assert served.client.get("/hints").text == "hinted"


def test_bodies_up_and_down(served: Served) -> None:
    assert served.client.post("/upload", content=b"y" * 3_000_000).text == "3000000"

    def pieces() -> Iterator[bytes]:
        for _ in range(5):
            yield b"z" * 1000

    assert served.client.post("/upload", content=pieces()).text == "5000"
    assert len(served.client.get("/big").content) == 3_000_000
    page = served.client.get("/files/service.py")
    assert page.content == (Path(__file__).parent / "service.py").read_bytes()
    part = served.client.get("/files/service.py", headers={"Range": "bytes=3-5"})
    assert (part.status_code, len(part.content)) == (206, 3)


def test_files_that_the_kernel_may_send(served: Served) -> None:
    """By their path or descriptor where the server offers it; whole, and in part."""
    content = service.LARGE.read_bytes()
    for path in ("/download", "/data/" + service.LARGE.name):
        answer = served.client.get(path)
        assert answer.headers["content-length"] == str(len(content))
        assert answer.content == content
        head = served.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        part = served.client.get(path, headers={"Range": "bytes=100-200000"})
        assert (part.status_code, part.content) == (206, content[100:200001])


def test_each_chunk_leaves_at_once(served: Served) -> None:
    with served.client.stream("GET", "/chunks") as response:
        chunks = list(response.iter_raw())
    assert b"".join(chunks) == b"0\n1\n2\n"
    assert len(chunks) >= 2


def test_errors_have_the_handlers_page(served: Served) -> None:
    answer = served.client.get("/bug")
    assert (answer.status_code, answer.text) == (500, "own page 500")


def test_a_response_that_breaks_off_is_seen_to(served: Served) -> None:
    with pytest.raises(httpx.HTTPError):
        # Hypercorn resets no stream of HTTP/2: its client has to give up by itself.
        served.client.get("/breaks", timeout=8)


def test_deadlines(served: Served) -> None:
    assert served.client.get("/late").status_code == 503


def test_a_client_that_leaves_cancels(served: Served) -> None:
    http2 = served.name.endswith("h2")
    # Of its own: over HTTP/2 a connection outlives a request that is given up.
    with httpx.Client(base_url=served.client.base_url, http1=not http2, http2=http2) as client:
        with pytest.raises(httpx.TimeoutException):
            client.get("/slow", timeout=1)
    served.wait_note("slow cancelled")


def test_a_client_that_leaves_an_unread_body_cancels(served: Served) -> None:
    if served.name == "ours" and not HAS_EPOLL:
        pytest.skip(WITHOUT_EPOLL)
    http2 = served.name.endswith("h2")

    def body() -> Iterator[bytes]:
        yield b"x" * 1000
        raise ConnectionAbortedError

    with httpx.Client(base_url=served.client.base_url, http1=not http2, http2=http2) as client:
        with pytest.raises(ConnectionAbortedError):
            client.post("/unread", content=body(), headers={"Content-Length": "100000"})
    served.wait_note("unread cancelled")


def test_websocket(served: Served) -> None:
    if served.name.endswith("h2"):
        pytest.skip("the client here speaks websocket over HTTP/1.1 only")
    url = served.websocket + "/echo"
    with connect(url, subprotocols=["other", "chat"]) as ws:  # type: ignore[list-item]
        assert ws.subprotocol == "chat"
        for message in ("text", b"\x00\xff", "ü" * 70_000, b"b" * 300_000):
            ws.send(message)
            assert ws.recv() == message
        ws.close(4001, "bye")
    # Hypercorn does not tell its applications the peer's code.
    hypercorn = served.name.startswith(("hypercorn", "serve-http2"))
    served.wait_note("echo ended 1006" if hypercorn else "echo ended 4001")
    with connect(url) as ws:
        ws.send("close")
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "asked to")
    served.wait_note("echo ended 4000")


def test_a_websocket_that_fails(served: Served) -> None:
    if served.name.endswith("h2"):
        pytest.skip("the client here speaks websocket over HTTP/1.1 only")
    with connect(served.websocket + "/echo") as ws:
        ws.send("fail")
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1011


def test_what_is_no_websocket(served: Served) -> None:
    if served.name.endswith("h2"):
        pytest.skip("the client here speaks websocket over HTTP/1.1 only")
    # Hypercorn, uvicorn and granian leave no answer but a refusal to the application.
    with pytest.raises((InvalidStatus, EOFError)):
        connect(served.websocket + "/nowhere")


def test_lifespan_and_drain(served: Served) -> None:
    """The last: it ends the server."""
    if served.name.startswith(("ours", "serve")):
        pytest.skip("this has no lifespan of ASGI; tests/service has its drain")
    served.process.terminate()
    served.wait_note("down")


CUT = {
    "serve-http2": "-m tornado_trio serve --http2 --grace 0.5 --port PORT "
    "tests.asgi.service:application",
    "hypercorn-trio": "-m hypercorn -k trio --graceful-timeout 1 -b 127.0.0.1:PORT "
    "tests.asgi.service:app",
    "uvicorn": "-m uvicorn --port PORT --timeout-graceful-shutdown 1 tests.asgi.service:app",
}


@pytest.mark.parametrize("name", CUT)
def test_what_a_drain_cuts_is_answered(name: str) -> None:
    """A server that will not wait any longer: 503, as of ours, and the handler is cancelled."""
    port = free_port()
    with ending(start(CUT[name], port)) as process:
        wait_for(port, process)
        assert process.stdout is not None
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            answers: list[int] = []
            asking = threading.Thread(
                target=lambda: answers.append(client.get("/slow").status_code)
            )
            asking.start()
            noted = iter(line.strip() for line in process.stdout)
            assert "note: slow began" in noted
            process.terminate()
            asking.join()
            assert answers == [503]
            assert "note: slow cancelled" in noted
        process.wait(20)


def test_one_date() -> None:
    """Servers add one, and so do handlers."""
    port = free_port()
    with ending(start(SERVERS["uvicorn"], port)) as process:
        wait_for(port, process)
        answer = httpx.get(f"http://127.0.0.1:{port}/")
        assert len(answer.headers.get_list("date")) == 1
        process.terminate()


async def test_scopes_with_no_more_than_is_required() -> None:
    """As Daphne's websockets, which have no scheme."""
    app = service.app
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    received = iter([{"type": "http.request"}])

    async def receive() -> dict[str, object]:
        for event in received:
            return event
        await trio.sleep_forever()
        raise AssertionError

    http = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/"}
    await app({**http, "query_string": b""}, receive, send)
    assert sent[0]["status"] == 400  # no Host, and no server whose name could stand for it
    sent.clear()
    received = iter([{"type": "http.request"}])
    await app({**http, "query_string": b"", "server": ("127.0.0.1", 80)}, receive, send)
    assert sent[0]["status"] == 200 and sent[1]["body"] == b"hello world"

    sent.clear()
    received = iter(
        [
            {"type": "websocket.connect"},
            {"type": "websocket.disconnect", "code": 1000},
        ]
    )
    await app({"type": "websocket", "path": "/echo", "server": ("a", None)}, receive, send)
    assert sent[0]["type"] == "websocket.accept"
