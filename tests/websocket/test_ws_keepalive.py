"""`Keepalive.step`: when to ping, when to give up. No clock, no connection."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from tornado_trio.websocket.keepalive import Keepalive
from tornado_trio.wire.websocket import State


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
