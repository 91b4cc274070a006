"""Files sent as multipart/form-data: framing, names, sizes, and sending them again."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from tornado_trio import web
from tornado_trio.client import DigestAuth, InvalidRequest
from tornado_trio.testing import memory_server

from .servers import OK, Peer, answer, answering, client_for, serving


class Show(web.RequestHandler):
    """What the server finds in a form."""

    def post(self) -> None:
        request = self.request
        self.write({
            "fields": {k: [v.decode() for v in vs] for k, vs in request.body_arguments.items()},
            "files": {
                name: [[each.filename, each.content_type, each.body.decode()] for each in found]
                for name, found in request.files.items()
            },
            "length": request.headers.get("Content-Length"),
            "chunked": request.headers.get("Transfer-Encoding"),
        })  # fmt: skip


async def shown(**options: Any) -> Any:
    async with memory_server(web.Application([("/", Show)])) as server:
        async with server.client() as client:
            response = await client.post("/", **options)
            assert response.status == 200, response.text
            return json.loads(response.body)


async def chunks() -> AsyncIterator[bytes]:
    yield b"one "
    yield b"two"


async def test_files_and_fields_together(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(b"PNG")
    found = await shown(
        form={"title": "a day", "n": 3, "tags": ["x", "é"]},
        files=[
            ("doc", b"plain"),
            ("doc", ("b.json", b"{}")),
            ("doc", ("c", bytearray(b"c"), "text/x-c")),
            ("photo", path),
            ("log", ("log.txt.gz", io.BytesIO(b"from memory"))),
        ],
    )
    assert found["fields"] == {"title": ["a day"], "n": ["3"], "tags": ["x", "é"]}
    assert found["files"] == {
        "doc": [
            ["doc", "application/octet-stream", "plain"],
            ["b.json", "application/json", "{}"],
            ["c", "text/x-c", "c"],
        ],
        "photo": [["photo.png", "image/png", "PNG"]],
        "log": [["log.txt.gz", "application/gzip", "from memory"]],
    }
    assert found["length"] is not None and found["chunked"] is None


async def test_the_exact_bytes() -> None:
    async with serving(answering(OK)) as server, client_for(server) as client:
        await client.post("http://a.test/", form=[("a", "1")], files={"f": ("x.txt", b"hello")})
        boundary = server.heads[0].partition(b"boundary=")[2].partition(b"\r\n")[0]
        assert len(boundary) == 32
        assert server.bodies[0] == (
            b'--%b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
            b'--%b\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\n'
            b"Content-Type: text/plain\r\n\r\nhello\r\n--%b--\r\n" % ((boundary,) * 3)
        )
        assert b"Content-Length: %d\r\n" % len(server.bodies[0]) in server.heads[0]
        assert b"Transfer-Encoding" not in server.heads[0]


async def test_names_cannot_end_their_field() -> None:
    """The HTML standard's escapes, and nothing else is changed."""
    async with serving(answering(OK)) as server, client_for(server) as client:
        name = 'a"b\r\nX-Evil: 1\\é%22'
        await client.post("http://a.test/", form={name: "v"}, files={"f": (name, b"")})
        escaped = 'a%22b%0D%0AX-Evil: 1\\é%22'.encode()
        assert b'form-data; name="' + escaped + b'"\r\n\r\nv\r\n' in server.bodies[0]
        assert b'name="f"; filename="' + escaped + b'"\r\n' in server.bodies[0]
        assert b"\r\nX-Evil" not in server.bodies[0]
        with pytest.raises(InvalidRequest, match="no content type"):
            await client.post("http://a.test/", files={"f": ("f", b"", "a/b\r\nX: 1")})


async def test_open_files_are_sent_from_where_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"skipped,a,b")
    with path.open("rb") as file:
        file.seek(8)
        async with await trio.open_file(path, "rb") as other:
            found = await shown(files={"sync": file, "trio": other})
    assert found["files"] == {
        "sync": [["data.csv", "text/csv", "a,b"]],
        "trio": [["data.csv", "text/csv", "skipped,a,b"]],
    }
    assert found["length"] is not None
    with tempfile.TemporaryFile() as unnamed:  # its name is a number
        unnamed.write(b"t")
        unnamed.seek(0)
        found = await shown(files={"f": unnamed})
        assert found["files"]["f"] == [["f", "application/octet-stream", "t"]]


async def test_what_has_no_size_is_sent_in_chunks() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"piped")
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: ASYNC230
        found = await shown(
            files={"a": ("a.txt", chunks()), "b": ("b.txt", chunks), "c": ("c.txt", pipe)}
        )
    assert [each[0][2] for each in found["files"].values()] == ["one two", "one two", "piped"]
    assert found["length"] is None and found["chunked"] == "chunked"


async def test_large_files_are_never_whole_in_memory(tmp_path: Path) -> None:
    class Measured(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            found = super().read(size)
            Measured.largest = max(Measured.largest, len(found))
            return found

    async with serving(answering(OK)) as server, client_for(server) as client:
        data = os.urandom(1_000_000)
        await client.post("http://a.test/", files={"f": Measured(data), "g": ("g", data)})
        assert server.bodies[0].count(data) == 2
    assert 0 < Measured.largest <= 65536


async def test_a_redirect_sends_again_what_can_be(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"again")
    moved = answer(b"", "307 Temporary Redirect", "Location: /new")

    async def moving(peer: Peer) -> None:
        while head := await peer.request():
            await peer.send(OK if b" /new " in head else moved)

    for repeatable in (b"again", b"again" * 50_000, path, io.BytesIO(b"again"), chunks):
        async with serving(moving) as server, client_for(server) as client:
            response = await client.post("http://a.test/", files={"f": repeatable})
            assert response.status == 200 and len(response.history) == 1
            assert server.bodies[0] == server.bodies[1] != b""
    async with serving(moving) as server, client_for(server) as client:
        with pytest.raises(InvalidRequest, match="asks for the body again; .* Path"):
            await client.post("http://a.test/", files={"f": ("f", chunks())})
        assert len(server.heads) == 1
    see_other = answer(b"", "303 See Other", "Location: /new")
    async with serving(answering(see_other, OK)) as server, client_for(server) as client:
        assert (await client.post("http://a.test/", files={"f": ("f", chunks())})).status == 200
        assert b"Content-Type" not in server.heads[1] and server.bodies[1] == b""


async def test_a_challenge_sends_again_what_can_be() -> None:
    challenge = answer(
        b"", "401 Unauthorized", 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'
    )

    async def asking(peer: Peer) -> None:
        while head := await peer.request():
            await peer.send(OK if b"Authorization: Digest" in head else challenge)

    for content, status in ((b"x", 200), (io.BytesIO(b"x"), 200), (chunks(), 401)):
        async with serving(asking) as server, client_for(server) as client:
            response = await client.post(
                "http://a.test/", files={"f": ("f", content)}, auth=DigestAuth("u", "p")
            )
            assert response.status == status
            assert len(server.heads) == (2 if status == 200 else 1)


async def test_a_file_that_changes_while_it_is_sent(tmp_path: Path) -> None:
    class Short(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return b""

    class Growing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            return b"y" * size

    async with serving(answering(OK)) as server, client_for(server) as client:
        await client.post("http://a.test/", files={"f": Growing(b"12345")})
        assert b"\r\n\r\nyyyyy\r\n--" in server.bodies[0]
        with pytest.raises(InvalidRequest, match="'f' was cut by 3 bytes while it was sent"):
            await client.post("http://a.test/", files={"f": Short(b"123")})


async def test_what_cannot_be_sent_is_refused_before_anything_is(tmp_path: Path) -> None:
    async with serving(answering(OK)) as server, client_for(server) as client:

        async def refused(
            match: str, error: type[Exception] = InvalidRequest, **options: Any
        ) -> None:
            with pytest.raises(error, match=match):
                await client.post("http://a.test/", **options)

        await refused("not with body=", files={}, body=b"")
        await refused("not with body=", files={}, json=1)
        field = {"content-type": "multipart/form-data"}
        await refused("leave out content-type", files={}, headers=field)
        await refused("a path as pathlib.Path", files={"f": "photo.png"})
        await refused("cannot be made of int", files={"f": 3})
        await refused("opened as text", files={"f": io.StringIO("a")})
        await refused("filename, content", files={"f": ("a", b"", "a/b", {})})
        await refused("is text, not 3", files=[(3, b"")])
        await refused("is no text", files={"f": ("\ud800", b"")})
        await refused("missing", FileNotFoundError, files={"f": tmp_path / "missing"})
        await refused("is a directory", IsADirectoryError, files={"f": tmp_path})
        assert server.heads == []


async def test_cancelled_halfway_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * 5_000_000)

    async def deaf(peer: Any) -> None:
        await trio.sleep_forever()

    async with serving(deaf) as server, client_for(server) as client:
        with trio.move_on_after(0.1) as scope:
            await client.post("http://a.test/", files={"f": path})
        assert scope.cancelled_caught
        await trio.testing.wait_all_tasks_blocked()
        assert client.statistics()["in_use"] == 0
    # A file left open would warn when it is collected, and warnings are errors here.
