"""What output methods return: each kind exists once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import trio

from tornado_trio import exchange as seam
from tornado_trio.errors import StreamClosedError
from tornado_trio.exchange import CHECKPOINT, READY, Exchange, Failed, Pending
from tornado_trio.server.exchange import Http1Exchange
from tornado_trio.testing import memory_server
from tornado_trio.web import Application, RequestHandler
from tornado_trio.wire.headers import HTTPHeaders

from ..server.apps import OK

ROOT = Path(__file__).parents[2]


def test_there_is_one_ready() -> None:
    """And nobody asks for it by its name."""
    defined, compared = [], []
    for package in ("tornado_trio", "compat"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and node.name in ("Ready", "Checkpoint"):
                    if "__await__" in ast.unparse(node):
                        defined.append((path.parent.name, node.name))
                elif isinstance(node, ast.Compare) and "'Ready'" in ast.unparse(node):
                    compared.append(path)
    assert sorted(defined) == [("exchange", "Checkpoint"), ("exchange", "Ready")]
    assert compared == []


async def test_the_server_and_handlers_return_the_same_ready() -> None:
    seen: list[object] = []

    async def app(exchange: Exchange) -> None:
        assert isinstance(exchange, Http1Exchange)
        seen.append(exchange.write_headers(OK, HTTPHeaders()))
        seen.append(exchange.write(b"x"))
        seen.append(exchange.finish())

    class Handler(RequestHandler):
        def get(self) -> None:
            seen.append(self.write("x"))
            seen.append(self.flush())
            seen.append(self.finish())

    async with memory_server(app) as server:
        await server.get()
    async with memory_server(Application([("/", Handler)])) as server:
        await server.get()
    assert all(each is READY for each in seen) and len(seen) == 6


async def test_ready_is_no_checkpoint_and_checkpoint_is_one() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await READY
        with pytest.raises(trio.Cancelled):
            await CHECKPOINT
    assert (repr(READY), repr(CHECKPOINT)) == ("<ready>", "<checkpoint>")


async def test_pending_drains_and_failed_raises() -> None:
    class Connection:
        drained = 0

        async def drain(self) -> None:
            self.drained += 1

    connection = Connection()
    await Pending(connection)
    assert connection.drained == 1
    with pytest.raises(StreamClosedError):
        await Failed(StreamClosedError("gone"))


def test_the_seam_has_all_a_host_needs() -> None:
    """A host of another make imports this package, and nothing private."""
    assert set(seam.__all__) <= set(dir(seam))
    needed = set(Exchange.__annotations__.values())
    for name in ("DisconnectPolicy", "HTTPHeaders", "RequestStartLine"):
        assert any(name in str(kind) for kind in needed) and name in seam.__all__
