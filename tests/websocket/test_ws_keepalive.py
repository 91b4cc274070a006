"""`Keepalive`: when to ping, when to give up, and the two ways to have it step."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from tests.websocket.test_ws_session import Raw
from tornado_trio.net.memory import memory_stream_pair
from tornado_trio.net.timers import Timers
from tornado_trio.websocket import ConnectionClosed, WebSocket, WebSocketOptions
from tornado_trio.websocket.keepalive import Keepalive
from tornado_trio.websocket.link import Link
from tornado_trio.websocket.running import run_session
from tornado_trio.wire.websocket import State, WebSocketProtocol
from tornado_trio.wire.websocket.frames import CLOSE, PING, PONG


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
    assert asked[0][:2] == [10, keepalive]
    asked[0][1]()
    assert len(keepalive.at) == 1 and asked[1][0] == pytest.approx(3)
    link.stop_waiting()
    assert asked[1][2] and not asked[0][2]
    client.close()
    server.close()


class Peer(Raw):
    """Of the session `ws`."""

    ws: WebSocket


class Crowd:
    """Sessions that share timers, each with a peer in memory."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.timers = Timers(nursery)
        self.ended: dict[str, tuple[float, int | None]] = {}

    async def open(
        self, name: str, interval: float, patience: float, capacity: int = 65536
    ) -> Peer:
        client, server = memory_stream_pair(capacity)
        options = WebSocketOptions(ping_interval=interval, ping_timeout=patience)
        peer = Peer(client)
        peer.ws = await self.nursery.start(self._run, name, server, options)
        return peer

    async def _run(
        self, name: str, stream: Any, options: WebSocketOptions, task_status: Any
    ) -> None:
        protocol = WebSocketProtocol(client=False)
        async with run_session(stream, protocol, options, timers=self.timers) as ws:
            task_status.started(ws)
            await ws.wait_closed()
            self.ended[name] = (trio.current_time(), ws.close_code)


async def answer(peer: Peer) -> None:
    while (event := await peer.event()) is not None:
        if event[0] == PING:
            peer.frame(PONG, event[1])
        elif event[0] == CLOSE:
            return


async def test_sessions_share_a_task(autojump_clock: Any) -> None:
    """Each with its own interval; the one that does not answer is the one that is ended."""
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery)
        silent = await crowd.open("silent", 10, 5)
        patient = await crowd.open("patient", 7, 30)
        alive = await crowd.open("alive", 3, 3)
        nursery.start_soon(answer, alive)
        await trio.sleep(50)
        assert [task.name for task in nursery.child_tasks].count("timers") == 1
        assert crowd.ended == {
            "silent": (pytest.approx(begin + 15), 1011),
            "patient": (pytest.approx(begin + 37), 1011),
        }
        assert alive.ws.latency == 0 and not alive.ws.closed
        nursery.cancel_scope.cancel()
    del silent, patient


async def test_a_peer_that_takes_nothing_delays_no_other(autojump_clock: Any) -> None:
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery)
        stuck = await crowd.open("stuck", 10, 5, capacity=10)
        stuck.ws.send_nowait(b"x" * 1000)
        await trio.lowlevel.checkpoint()
        other = await crowd.open("other", 10, 5)
        assert (await other.event())[0] == PING
        assert trio.current_time() - begin == pytest.approx(10)
        await trio.sleep(10)
        assert crowd.ended["stuck"] == (pytest.approx(begin + 15), 1011)
        nursery.cancel_scope.cancel()


async def test_what_came_while_nothing_ran_counts(autojump_clock: Any) -> None:
    """The pong is there, but not read yet, when its time is up: this process stood still."""
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery)
        peer = await crowd.open("late", 10, 5)
        kind, payload = await peer.event()
        assert kind == PING
        link = peer.ws._link
        (timer,) = crowd.timers._heap
        peer.frame(PONG, payload)  # its reader has had no turn yet
        keepalive = timer[2]
        timer()
        keepalive()
        assert link.protocol.state is State.OPEN
        await trio.sleep(6)
        assert crowd.ended == {} and len(crowd.timers._heap) == 1
        nursery.cancel_scope.cancel()


async def test_numbers_that_the_program_pings_with_are_left_to_it(autojump_clock: Any) -> None:
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery)
        peer = await crowd.open("silent", 10, 5)

        async def ping() -> None:
            with pytest.raises(ConnectionClosed):
                await peer.ws.ping(bytes(4))

        nursery.start_soon(ping)
        assert await peer.event() == (PING, bytes(4))
        assert await peer.event() == (PING, b"\0\0\0\1")
        await trio.sleep(10)
        assert crowd.ended == {"silent": (pytest.approx(begin + 15), 1011)}
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("code", [1000, 1006])
async def test_nothing_of_a_session_is_left_in_the_timers(autojump_clock: Any, code: int) -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery)
        peers = [await crowd.open(str(number), 20, 20) for number in range(3)]
        for peer in peers[1:]:
            if code == 1000:
                peer.frame(CLOSE, (1000).to_bytes(2, "big"))
            else:
                peer.stream.close()
        await trio.sleep(1)
        assert [ended[1] for ended in crowd.ended.values()] == [code, code]
        assert repr(crowd.timers) == "<Timers, 1 set>"
        nursery.cancel_scope.cancel()


async def test_a_session_without_a_host_times_itself(autojump_clock: Any) -> None:
    client, server = memory_stream_pair()
    begin = trio.current_time()
    options = WebSocketOptions(ping_interval=10, ping_timeout=5)
    async with run_session(server, WebSocketProtocol(client=False), options) as ws:
        await ws.wait_closed()
        assert (trio.current_time() - begin, ws.close_code) == (pytest.approx(15), 1011)
    client.close()
