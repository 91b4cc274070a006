"""`client.events`: a stream that lasts over connections that break."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from tornado_trio import web
from tornado_trio.client import (
    Client,
    HTTPStatusError,
    Network,
    ResponseError,
    open_client,
)
from tornado_trio.net import MemoryNetwork
from tornado_trio.testing import memory_server

URL = "http://a.test/"


@asynccontextmanager
async def client_of(answers: list[Any]) -> AsyncIterator[tuple[Client, list[Any]]]:
    """A client of a server that answers so: a status, or a function of the handler."""
    asked: list[Any] = []

    class Events(web.RequestHandler):
        async def get(self) -> None:
            asked.append((self.request.headers.get("Last-Event-ID"), trio.current_time()))
            answer = answers[min(len(asked), len(answers)) - 1]
            if isinstance(answer, int):
                self.set_status(answer)
                if answer == 503:
                    self.set_header("Retry-After", "100")
            else:
                self.set_header("Content-Type", "text/event-stream")
                await answer(self)

    network = MemoryNetwork()
    async with memory_server(web.Application([("/", Events)]), network=network, host="a.test"):
        async with open_client(network=Network(dial=network.connect)) as client:
            yield client, asked


def sends(text: str, then: Any = None) -> Any:
    async def answer(handler: web.RequestHandler) -> None:
        handler.write(text)
        await handler.flush()
        if then is not None:
            await then(handler)

    return answer


async def breaks(handler: web.RequestHandler) -> None:
    await trio.sleep(1)
    handler.request.connection.abort()
    await trio.sleep_forever()


async def hangs(handler: web.RequestHandler) -> None:
    await trio.sleep_forever()


async def test_it_goes_on_after_the_last_event(autojump_clock: trio.abc.Clock) -> None:
    answers = [
        sends("retry: 7000\n\nid: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: unfin"),
        sends("id: 3\ndata: c\n\nid: 4\n\n", breaks),
        204,
    ]
    async with client_of(answers) as (client, asked):
        async with client.events(URL, last_id="0") as events:
            found = [(event.data, event.id) async for event in events]
    assert found == [("a", "1"), ("b", "2"), ("c", "3")]
    assert [last for last, _ in asked] == ["0", "2", "4"]
    pauses = [after - before for (_, before), (_, after) in zip(asked, asked[1:], strict=False)]
    assert pauses[0] == pytest.approx(7, abs=0.5)
    assert 7 <= pauses[1] - 1 <= 9


async def test_what_may_pass_is_tried_again_later_and_later(
    autojump_clock: trio.abc.Clock,
) -> None:
    answers = [502, 500, 503, 504, sends("data: at last\n\n")]
    async with client_of(answers) as (client, asked):
        async with client.events(URL) as events:
            assert (await anext(events)).data == "at last"
    times = [at for _, at in asked]
    pauses = [after - before for before, after in zip(times, times[1:], strict=False)]
    for pause, least in zip(pauses, (3, 6, 100, 24), strict=True):
        assert least <= pause <= least * 1.3
    async with client_of([500]) as (client, asked):
        async with client.events(URL, max_failures=3) as events:
            with pytest.raises(HTTPStatusError):
                await anext(events)
            assert [event async for event in events] == []
        assert len(asked) == 4


async def test_what_trying_again_does_not_change_is_raised(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def page(handler: web.RequestHandler) -> None:
        handler.set_header("Content-Type", "text/html")

    for answer, error in [
        (404, HTTPStatusError),
        (page, ResponseError),
        (sends("data: " + "x" * 2_000_000), ResponseError),
    ]:
        async with client_of([answer]) as (client, asked):
            async with client.events(URL) as events:
                with pytest.raises(error):
                    await anext(events)
            assert len(asked) == 1


async def test_a_dead_connection_is_noticed(autojump_clock: trio.abc.Clock) -> None:
    answers = [sends("id: 1\ndata: a\n\n", hangs), sends("data: b\n\n", hangs)]
    async with client_of(answers) as (client, asked):
        async with client.events(URL, idle=20) as events:
            assert [(await anext(events)).data for _ in range(2)] == ["a", "b"]
    assert asked[1][0] == "1"
    assert 23 <= asked[1][1] - asked[0][1] <= 25


async def test_cancelled_it_goes_on_later_and_closed_it_ends(
    autojump_clock: trio.abc.Clock,
) -> None:
    answers = [sends("id: 1\ndata: a\n\n", hangs), sends("data: b\n\n", hangs)]
    async with client_of(answers) as (client, asked):
        async with client.events(URL, headers={"X-A": "b"}) as events:
            assert (await anext(events)).data == "a"
            with trio.move_on_after(5):
                await anext(events)
            assert (await anext(events)).data == "b"
            assert asked[1][0] == "1"
        with pytest.raises(StopAsyncIteration):
            await anext(events)
    with pytest.raises(TypeError):
        client.events(URL, nonsense=1)  # type: ignore[call-arg]
