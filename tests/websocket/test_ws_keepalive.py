"""`Keepalive`: when to ping, when to give up, and the two ways to have it step."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from tornado_trio.net.memory import memory_stream_pair
from tornado_trio.websocket.keepalive import Keepalive
from tornado_trio.websocket.link import Link
from tornado_trio.wire.websocket import State, WebSocketProtocol


class Recorded(Keepalive):
    __slots__ = ("alive", "done")

    def __init__(self, interval: float, patience: float) -> None:
        link: Any = SimpleNamespace(protocol=SimpleNamespace(state=State.OPEN))
        super().__init__(link, interval, patience)
        self.alive = True
        self.done: list[str] = []

    def ping(self) -> None:
        self.done.append("ping")

    def answered(self) -> bool:
        return self.alive

    def give_up(self) -> None:
        self.done.append("give up")


def test_pings_every_interval() -> None:
    keepalive = Recorded(10, 3)
    assert keepalive.step(10) == 13  # an answer may take 3
    assert keepalive.step(13) == 20  # it came: the next is due 10 after the last
    assert keepalive.step(20) == 23
    assert keepalive.done == ["ping", "ping"]


def test_one_that_does_not_answer_is_given_up() -> None:
    keepalive = Recorded(10, 3)
    keepalive.step(10)
    keepalive.alive = False
    assert keepalive.step(13) == math.inf
    assert keepalive.done == ["ping", "give up"]


@pytest.mark.parametrize("late", [20, 25])
def test_a_late_step_pings_at_once(late: float) -> None:
    keepalive = Recorded(10, 3)
    keepalive.step(10)
    assert keepalive.step(late) == late + 3
    assert keepalive.done == ["ping", "ping"]


def test_no_patience_is_patience_for_ever() -> None:
    keepalive = Recorded(10, 0)
    keepalive.alive = False
    assert [keepalive.step(now) for now in (10, 20, 30)] == [20, 30, 40]
    assert keepalive.done == ["ping"] * 3


def test_the_closing_handshake_is_left_alone() -> None:
    keepalive = Recorded(10, 3)
    keepalive.step(10)
    keepalive.link.protocol.state = State.CLOSE_SENT
    keepalive.alive = False
    assert keepalive.step(13) == math.inf
    assert keepalive.done == ["ping"]


class Timed(Keepalive):
    """Pings of a link, and when."""

    __slots__ = ("at",)

    def __init__(self, link: Link) -> None:
        super().__init__(link, 10, 3)
        self.at: list[float] = []

    def ping(self) -> None:
        self.at.append(trio.current_time())

    def answered(self) -> bool:
        return True

    def give_up(self) -> None:
        raise AssertionError


@pytest.mark.parametrize("how", ["start", "run"])
async def test_it_steps_until_the_connection_is_over(autojump_clock: Any, how: str) -> None:
    client, server = memory_stream_pair()
    link = Link(server, WebSocketProtocol(client=False), lambda opcode, payload: None)
    keepalive = Timed(link)
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        server.nursery = nursery
        nursery.start_soon(link.run)
        if how == "start":
            keepalive.start()
        else:
            nursery.start_soon(keepalive.run)
        await trio.sleep(35)
        client.close()
    # The nursery ends: no timer is left behind, and no task.
    assert [at - begin for at in keepalive.at] == pytest.approx([10, 20, 30])
    if how == "start":
        assert trio.current_time() - begin == pytest.approx(35)


async def test_an_event_loops_timer_is_taken_back() -> None:
    """By `later`, which says how; the step is then not called any more."""
    client, server = memory_stream_pair()
    asked: list[Any] = []

    def later(seconds: float, callback: Any) -> Any:
        entry = [seconds, callback, False]
        asked.append(entry)
        return lambda: entry.__setitem__(2, True)

    protocol = WebSocketProtocol(client=False)
    link = Link(server, protocol, lambda opcode, payload: None, later=later)
    keepalive = Timed(link)
    keepalive.start()
    assert asked[0][0] == 10
    asked[0][1]()
    assert len(keepalive.at) == 1 and asked[1][0] == pytest.approx(3)
    link.stop_waiting()
    assert asked[1][2] and not asked[0][2]
    client.close()
    server.close()
