"""What a record and a log line say of a request: its id, its route."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from tornado_trio import web
from tornado_trio.exchange import Exchange, Finished, new_request_id
from tornado_trio.limits import Timeouts
from tornado_trio.log import LogFormatter, RequestFilter
from tornado_trio.server import ServerOptions
from tornado_trio.testing import memory_server

from .apps import reply


class Order(web.RequestHandler):
    async def get(self, number: str) -> None:
        logging.getLogger("program").warning("in the handler")
        if number == "7":
            await trio.sleep(100)
        if number == "8":
            raise KeyError("bug")


async def plain(exchange: Exchange) -> None:
    exchange.route = "by hand"
    reply(exchange, exchange.request_id.encode())


APP = web.Application([("/orders/{number}", Order), (r"/old/(\d+)", Order), ("/plain", plain)])


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.addFilter(RequestFilter())
        self.setFormatter(LogFormatter("%(request_id)s|%(route)s|%(name)s", color=False))
        self.lines: list[tuple[str, ...]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(tuple(self.format(record).split("\n")[0].split("|")))


@pytest.fixture
def lines() -> Iterator[list[tuple[str, ...]]]:
    handler = Lines()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


async def test_every_line_of_a_request_names_it(
    lines: list[tuple[str, ...]], autojump_clock: MockClock
) -> None:
    """The program's, the application's, the access log's, the server's own."""
    options = ServerOptions(timeouts=Timeouts(request=5))
    async with memory_server(APP, options) as server:
        client = await server.connect()
        for path in ("/orders/1", "/orders/8", "/plain"):
            await client.request(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await client.request(b"GET /orders/7 HTTP/1.1\r\nHost: a\r\n\r\n")
    logging.getLogger("program").warning("outside")
    ids = sorted({line[0] for line in lines})
    assert len(ids) == 5 and ids[0] == "-"
    by_id = [[line[1:] for line in lines if line[0] == each] for each in ids]
    access, general, application, program = (
        f"tornado.{name}" if name != "program" else name
        for name in ("access", "general", "application", "program")
    )
    route = "/orders/{number}"
    assert by_id == [
        [("-", program)],
        [(route, program), (route, access)],
        [(route, program), (route, application), (route, access)],
        [("by hand", access)],
        [(route, program), (route, general), (route, access)],
    ]


async def test_what_is_left_of_a_drain_is_a_line_of_its_request(
    lines: list[tuple[str, ...]], autojump_clock: MockClock
) -> None:
    async def stuck(exchange: Exchange) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(100)

    async with memory_server(stuck) as server:
        client = await server.connect()
        await client.send(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
        await trio.sleep(1)
        await server.server.drain(1, 1)
        said = [line[0] for line in lines]
    # Cut, does not end; then the whole drain, which is no request's.
    assert said[0] == said[1] != "-" and said[2] == "-"


async def test_routes_and_handlers(autojump_clock: MockClock) -> None:
    records: list[Finished] = []
    async with memory_server(APP, ServerOptions(access_log=records.append)) as server:
        for path in ("/orders/1", "/old/2", "/plain", "/none"):
            await server.get(path)
    order = f"{__name__}.Order"
    assert [(each.route, each.handler) for each in records] == [
        ("/orders/{number}", order),
        (r"/old/(\d+)", order),
        ("by hand", None),
        ("tornado_trio.web.stock.ErrorHandler", "tornado_trio.web.stock.ErrorHandler"),
    ]
    assert [each.status for each in records] == [200, 200, 200, 404]


@pytest.mark.parametrize(
    ("given", "taken"),
    [("abc-123", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("", False)],
)
async def test_an_id_of_a_proxys(given: str, taken: bool) -> None:
    request = f"GET /plain HTTP/1.1\r\nHost: a\r\nX-Request-ID: {given}\r\n\r\n".encode()
    async with memory_server(APP, ServerOptions(request_id_header="X-Request-ID")) as server:
        body = (await server.request(request)).body.decode()
        assert body == given if taken else re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{6}", body)
    async with memory_server(APP) as server:  # nobody said that there is a proxy
        assert (await server.request(request)).body.decode() != given


def test_ids_differ_between_processes() -> None:
    code = "from tornado_trio.exchange import new_request_id as new; print(new(), new())"
    command = [sys.executable, "-c", code]
    seen = [new_request_id(), new_request_id()]
    seen += subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert len({each.partition("-")[0] for each in seen}) == 2 and len(set(seen)) == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_ids_of_its_own() -> None:
    code = (
        "import os; from tornado_trio.exchange import new_request_id as new\n"
        "new(); pid = os.fork(); os.write(1, f'{new()}\\n'.encode())\n"
        "pid and os.waitpid(pid, 0)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ids = done.stdout.split()
    assert len(ids) == 2 and len({each.partition("-")[0] for each in ids}) == 2
