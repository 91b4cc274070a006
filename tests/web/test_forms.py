"""Forms read part by part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from tornado_trio.errors import HTTPInputError, LimitError
from tornado_trio.exchange import RequestStartLine
from tornado_trio.web import (
    Application,
    FormLimits,
    Request,
    RequestHandler,
    form_parts,
    stream_request_body,
)
from tornado_trio.wire.headers import HTTPHeaders

from .support import fetch

FORM = "multipart/form-data; boundary=x"


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    file = "" if filename is None else f'; filename="{filename}"\r\nContent-Type: a/b'
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + data + b"\r\n"


BODY = part("t", b"title") + part("f", b"0123456789" * 10, "../n") + part("u", b"") + b"--x--"


class Source:
    """A body that comes in chunks; counts how many were taken."""

    def __init__(self, body: bytes, size: int) -> None:
        self.chunks = [body[i : i + size] for i in range(0, len(body), size)]
        self.taken = 0

    def body(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> Source:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if self.taken == len(self.chunks):
            raise StopAsyncIteration
        self.taken += 1
        return self.chunks[self.taken - 1]


def request(
    source: Any = None, body: bytes = b"", content_type: str = FORM, **more: str
) -> Request:
    headers = HTTPHeaders({"Host": "h", "Content-Type": content_type})
    headers.update({name.replace("_", "-"): value for name, value in more.items()})
    line = RequestStartLine("POST", "/", "HTTP/1.1")
    return Request(line, headers, body, connection=source)


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_parts(size: int) -> None:
    found = []
    async for each in form_parts(request(Source(BODY, size))):
        found.append((each.name, each.filename, each.content_type, await each.read()))
        assert await each.read() == b""
        assert each.headers["Content-Disposition"].startswith("form-data")
    assert found == [
        ("t", None, None, b"title"),
        ("f", "../n", "a/b", b"0123456789" * 10),
        ("u", None, None, b""),
    ]
    assert repr(each) == "<FormPart 'u' filename=None>"


async def test_unread_parts_are_skipped() -> None:
    names = []
    async for each in form_parts(request(Source(BODY, 7))):
        names.append(each.name)
        if each.name == "f":
            async for chunk in each:
                assert chunk
                break
    assert names == ["t", "f", "u"]


async def test_a_body_already_read() -> None:
    assert [each.name async for each in form_parts(request(body=BODY))] == ["t", "f", "u"]


async def test_back_pressure() -> None:
    """Nothing is read ahead of who consumes it."""
    source = Source(part("f", b"x" * 1000, "n") + b"--x--", 100)
    parts = form_parts(request(source))
    assert source.taken == 0
    first = await parts.__anext__()
    assert source.taken == 1
    await first.__anext__()
    await first.__anext__()
    assert source.taken == 2


async def test_limits() -> None:
    async def run(read: bool, **limits: Any) -> None:
        async for each in form_parts(request(Source(BODY, 7)), FormLimits(**limits)):
            if read:
                await each.read()

    await run(True)
    for read, limits, error in (
        (True, {"max_in_memory": 99}, LimitError),
        (True, {"max_part_size": 99}, LimitError),
        (False, {"max_part_size": 99}, LimitError),
        (False, {"max_parts": 2}, HTTPInputError),
        (False, {"max_part_header_size": 50}, HTTPInputError),
    ):
        with pytest.raises(error):
            await run(read, **limits)
    await run(False, max_in_memory=1)
    async for each in form_parts(request(Source(BODY, 7))):
        if each.name == "f":
            with pytest.raises(LimitError) as info:
                await each.read(50)
            assert info.value.status == 413
            break


async def test_malformed() -> None:
    for body in (BODY[:-2], b"junk", b"", part("f", b"")[:-2]):
        with pytest.raises(HTTPInputError):
            async for each in form_parts(request(Source(body, 7))):
                await each.read()


@pytest.mark.parametrize(
    "options",
    [
        {"content_type": "text/plain"},
        {"content_type": "multipart/form-data"},
        {"content_type": "multipart/mixed; boundary=x"},
        {"Content_Encoding": "gzip"},
    ],
)
def test_not_a_form(options: Any) -> None:
    with pytest.raises(HTTPInputError) as info:
        form_parts(request(**options))
    assert info.value.status == 415


@pytest.mark.parametrize("max_memory", [10, 1000])
async def test_spool(max_memory: int) -> None:
    async for each in form_parts(request(Source(BODY, 7))):
        with await each.spool(max_memory) as file:
            data = file.read()
            assert data == {"t": b"title", "f": b"0123456789" * 10, "u": b""}[each.name]


async def test_spool_writes_in_large_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces may be of a byte each: a thread for each took 7.5 s for 0.3 MB."""
    written = []

    async def run(function: Any, data: bytes) -> None:
        written.append(len(data))
        function(data)

    monkeypatch.setattr("tornado_trio.web.forms.FILES", SimpleNamespace(run=run))
    body = part("f", b"0123456789" * 20000, "n") + b"--x--"
    async for each in form_parts(request(Source(body, 100))):
        with await each.spool(10) as file:
            assert file.read() == b"0123456789" * 20000
    assert len(written) == 4 and all(size >= 64 * 1024 for size in written[:-1])


async def test_spool_needs_none_of_the_programs_threads() -> None:
    async for each in form_parts(request(Source(part("f", b"12345") + b"--x--", 7))):
        limiter = trio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 1
        async with limiter:
            with trio.fail_after(30):
                file = await each.spool(1)
            with file:
                assert file.read() == b"12345"


async def test_spool_closes_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(**kwargs: Any) -> Any:
        made.append(SimpleNamespace(write=lambda data: None, closed=False))
        made[0].close = lambda: setattr(made[0], "closed", True)
        return made[0]

    monkeypatch.setattr("tempfile.SpooledTemporaryFile", make)
    with pytest.raises(HTTPInputError):
        async for each in form_parts(request(Source(part("f", b"x" * 50)[:-2], 7))):
            await each.spool()
    assert made[0].closed


async def test_in_a_handler() -> None:
    @stream_request_body
    class Upload(RequestHandler):
        async def post(self) -> None:
            assert self.request.body == b""
            async for each in form_parts(self.request):
                self.write(f"{each.name}={len(await each.read())} ")

    app = Application([("/", Upload)])
    response = await fetch(app, "/", "POST", {"Content-Type": FORM}, BODY)
    assert response.code == 200 and response.body == b"t=5 f=100 u=0 "
    response = await fetch(app, "/", "POST", {"Content-Type": FORM}, BODY[:-4])
    assert response.code == 400
    response = await fetch(app, "/", "POST", {"Content-Type": "text/plain"}, BODY)
    assert response.code == 415
