"""JSON, files, downloads, events, hints, streamed pages: what handlers answer beyond text."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import os
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tornado_trio import web
from tornado_trio.client import Network, open_client
from tornado_trio.net import MemoryNetwork
from tornado_trio.template import DictLoader
from tornado_trio.testing import memory_server

from .support import fetch, get

BODY = b"".join(b"%06d\n" % number for number in range(40_000))


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Order:
    id: uuid.UUID
    day: datetime.date
    price: Decimal
    colour: Colour
    tags: frozenset[str]


def handler(function: Any) -> type[web.RequestHandler]:
    class Handler(web.RequestHandler):
        async def get(self) -> None:
            result = function(self)
            if result is not None:
                await result

    return Handler


async def test_json_of_more_than_json_has() -> None:
    order = Order(uuid.UUID(int=7), datetime.date(2024, 2, 3), Decimal("1.50"), Colour.RED,
                  frozenset({"é"}))  # fmt: skip
    response = await get(handler(lambda self: self.json([order], 201)))
    assert response.code == 201
    assert response.headers["Content-Type"] == "application/json"
    assert response.body.decode() == (
        '[{"id": "00000000-0000-0000-0000-000000000007", "day": "2024-02-03", "price": "1.50", '
        '"colour": "red", "tags": ["é"]}]'
    )


async def test_json_by_an_encoder_of_the_program(caplog: pytest.LogCaptureFixture) -> None:
    import msgspec

    settings = {"json_encoder": msgspec.json.encode}
    response = await get(handler(lambda self: self.json({"a": 1})), settings=settings)
    assert response.body == b'{"a":1}'
    written = await get(handler(lambda self: self.write({"a": "</script>"})), settings=settings)
    assert written.body == b'{"a":"<\\/script>"}'
    assert written.headers["Content-Type"] == "application/json; charset=UTF-8"
    plain = await get(handler(lambda self: self.write({"a": "</é"})))
    assert plain.body == b'{"a": "<\\/\\u00e9"}'
    assert (await get(handler(lambda self: self.json(object())))).code == 500
    assert "json_encoder may say how" in caplog.text
    assert (await get(handler(lambda self: self.json(float("nan"))))).code == 500


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("report.pdf", "attachment; filename=report.pdf"),
        ("../a/b.pdf", "attachment; filename=b.pdf"),
        ("Über.pdf", "attachment; filename=_ber.pdf; filename*=UTF-8''%C3%9Cber.pdf"),
        ('a"b\r\n.txt', "attachment; filename=a_b.txt; filename*=UTF-8''a%22b.txt"),
        ("100%.txt", "attachment; filename=100_.txt; filename*=UTF-8''100%25.txt"),
    ],
)
async def test_attachments_of_any_name(name: str, field: str) -> None:
    def answer(self: web.RequestHandler) -> None:
        self.attachment(name)
        self.write("x")

    response = await get(handler(answer))
    assert response.headers["Content-Disposition"].replace('"', "") == field.replace('"', "")
    kind = "application/pdf" if name.endswith("pdf") else "text/plain; charset=UTF-8"
    assert response.headers["Content-Type"] == kind


@pytest.fixture
def app(tmp_path: Path) -> web.Application:
    (tmp_path / "large.txt").write_bytes(BODY)
    (tmp_path / "small.txt").write_bytes(b"small")
    (tmp_path / "secret").mkdir()
    (tmp_path / "public").mkdir()
    (tmp_path / "secret" / "key").write_bytes(b"key")
    (tmp_path / "public" / "page").write_bytes(b"page")
    os.symlink(tmp_path / "secret" / "key", tmp_path / "public" / "link")
    os.mkfifo(tmp_path / "fifo")

    class Send(web.RequestHandler):
        async def get(self, name: str) -> None:
            await self.send_file(tmp_path / name, attachment=self.get_argument("as", None))

    class Rooted(web.RequestHandler):
        async def get(self, name: str) -> None:
            await self.send_file(name, root=tmp_path / "public")

    return web.Application([(r"/file/(.*)", Send), (r"/public/(.*)", Rooted)])


@pytest.mark.parametrize("compress", [False, True])
async def test_a_file_whole_and_resumed(app: web.Application, compress: bool) -> None:
    if compress:
        app.add_transform(web.GZipContentEncoding)
    whole = await fetch(app, "/file/large.txt?as=all.txt")
    assert whole.body == BODY
    assert whole.headers["Content-Disposition"] == "attachment; filename=all.txt"
    assert whole.headers["Content-Length"] == str(len(BODY))
    etag = whole.headers["Etag"]
    half = {"Range": "bytes=140000-", "If-Range": etag}
    rest = await fetch(app, "/file/large.txt", headers=half)
    assert (rest.code, rest.body) == (206, BODY[140000:])
    assert rest.headers["Content-Range"] == f"bytes 140000-279999/{len(BODY)}"
    other = await fetch(app, "/file/large.txt", headers={**half, "If-Range": '"other"'})
    assert (other.code, len(other.body)) == (200, len(BODY))
    head = await fetch(app, "/file/large.txt", "HEAD")
    assert (head.headers["Content-Length"], head.body) == (str(len(BODY)), b"")
    beyond = await fetch(app, "/file/small.txt", headers={"Range": "bytes=9-"})
    assert (beyond.code, beyond.headers["Content-Range"]) == (416, "bytes */5")
    known = await fetch(app, "/file/large.txt", headers={"If-None-Match": etag})
    assert (known.code, known.body) == (304, b"")
    since = {"If-Modified-Since": whole.headers["Last-Modified"]}
    assert (await fetch(app, "/file/large.txt", headers=since)).code == 304
    insists = {"If-Match": '"other"', "Range": "bytes=5-"}
    assert (await fetch(app, "/file/large.txt", headers=insists)).code == 412
    assert (await fetch(app, "/file/small.txt")).body == b"small"


async def test_only_files_that_may_be_sent(app: web.Application) -> None:
    for name in ("none", "secret", "fifo", "small.txt/x", "%00"):
        assert (await fetch(app, f"/file/{name}")).code == 404, name
    assert (await fetch(app, "/public/page")).body == b"page"
    for name in ("../secret/key", "link", "%2e%2e/secret/key"):
        assert (await fetch(app, f"/public/{name}")).code == 403, name


async def test_early_hints() -> None:
    async def answer(self: web.RequestHandler) -> None:
        with pytest.raises(ValueError, match="printable"):
            self.early_hints("</a>\r\nX: y")
        await self.early_hints("</a.css>; rel=preload", "</b.js>; rel=preload")
        self.write("late")

    response = await get(handler(answer))
    (hints,) = response.informational
    assert hints.start_line.code == 103
    assert hints.headers.get_list("Link") == ["</a.css>; rel=preload", "</b.js>; rel=preload"]
    assert response.body == b"late"


async def test_a_page_is_sent_as_it_is_rendered(autojump_clock: trio.abc.Clock) -> None:
    async def slow() -> str:
        await trio.sleep(5)
        return "late"

    class Page(web.RequestHandler):
        async def get(self) -> None:
            await self.render_stream("page", slow=slow)

    loader = DictLoader({"page": "<p>early</p>{{ await slow() }}</body>"})
    app = web.Application([("/", Page)], template_loader=loader)
    network = MemoryNetwork()
    async with memory_server(app, network=network, host="a.test"):
        async with open_client(network=Network(dial=network.connect)) as client:
            async with client.stream("GET", "http://a.test/") as response:
                assert await response.read_chunk() == b"<p>early</p>"
                assert trio.current_time() < 5
                assert await response.read() == b"late</body>"


# --- events --------------------------------------------------------------------------------------


class Ticks(web.RequestHandler):
    async def get(self) -> None:
        async with self.events(heartbeat=15, retry=2) as send:
            number = int(send.last_id or 0)
            while number < int(self.get_argument("count", "1000")):
                await trio.sleep(float(self.get_argument("every", "1")))
                number += 1
                await send({"n": number}, event="tick", id=number)


TICKS = web.Application([("/", Ticks)])
QUIET = b"GET /?every=40 HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_events_have_ids_and_go_on_where_a_client_was() -> None:
    url = "/?count=3&every=0"
    response = await fetch(TICKS, url, headers={"Last-Event-ID": "1"})
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.body.decode() == (
        'retry: 2000\n\nevent: tick\nid: 2\ndata: {"n": 2}\n\n'
        'event: tick\nid: 3\ndata: {"n": 3}\n\n'
    )
    head = await fetch(TICKS, "/", "HEAD")
    assert (head.headers["Content-Type"], head.body) == ("text/event-stream", b"")


async def test_silence_is_broken_and_the_end_of_the_service_is_told(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with memory_server(TICKS, grace=5) as server:
        client = await server.connect()
        await client.send(QUIET)
        await trio.sleep(50)
        server.server.begin_drain()
        text = (await client.rest()).decode()
    pieces = [line for line in text.split("\r\n") if "\n" in line]
    assert pieces == [
        "retry: 2000\n\n",
        ": \n\n",
        ": \n\n",
        'event: tick\nid: 1\ndata: {"n": 1}\n\n',
        "event: drain\ndata: \n\n",
    ]
    assert text.endswith("0\r\n\r\n")  # whole


async def test_the_handler_of_a_client_that_left_is_cancelled(
    autojump_clock: trio.abc.Clock,
) -> None:
    ended = trio.Event()

    class Events(web.RequestHandler):
        async def get(self) -> None:
            try:
                async with self.events() as send:
                    await send("first")
                    await trio.sleep_forever()
            finally:
                ended.set()

    async with memory_server(web.Application([("/", Events)])) as server:
        client = await server.connect()
        await client.send(QUIET)
        await trio.sleep(1)
        client.stream.close()
        with trio.fail_after(30):  # as long as a closed side may be a half-closed connection
            await ended.wait()


async def test_an_error_in_the_block_is_the_handlers(caplog: pytest.LogCaptureFixture) -> None:
    class Events(web.RequestHandler):
        async def get(self) -> None:
            with pytest.raises(LookupError):  # as it is, not in a group
                async with self.events() as send:
                    with pytest.raises(ValueError, match="one line"):
                        await send("x", event="a\nb")
                    raise LookupError
            self.write(": caught\n\n")

    assert (await get(Events)).body == b": caught\n\n"
