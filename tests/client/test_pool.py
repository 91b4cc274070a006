"""The pool's policy: every case of `Pool.settle`, and the bounds."""

from __future__ import annotations

import math
import random

import pytest

from tornado_trio.client.options import ClientLimits
from tornado_trio.client.pool import Pool


class Conn:
    def __init__(self, name: str = "c") -> None:
        self.name = name
        self.stale = False

    def is_stale(self) -> bool:
        return self.stale

    def __repr__(self) -> str:
        return self.name


def make(**limits: object) -> Pool[Conn]:
    return Pool(ClientLimits(**limits))  # type: ignore[arg-type]


def opened(pool: Pool[Conn], origin: str, now: float = 0.0) -> None:
    ticket, closing = pool.request(origin, now)
    assert ticket.permit and not closing


def test_first_request_gets_a_permit() -> None:
    pool = make()
    ticket, closing = pool.request("a", 0)
    assert ticket.done and ticket.permit and ticket.connection is None and closing == []
    assert pool.statistics()["in_use"] == 1


def test_reuse_is_last_in_first_out() -> None:
    pool = make()
    one, two = Conn("one"), Conn("two")
    opened(pool, "a")
    opened(pool, "a")
    pool.give_back("a", one, 1)
    pool.give_back("a", two, 2)
    ticket, _ = pool.request("a", 3)
    assert ticket.connection is two
    ticket, _ = pool.request("a", 3)
    assert ticket.connection is one


def test_no_reuse_across_origins() -> None:
    pool = make()
    opened(pool, "a")
    pool.give_back("a", Conn(), 0)
    ticket, _ = pool.request("b", 0)
    assert ticket.permit


def test_stale_connection_is_closed_and_the_next_one_taken() -> None:
    pool = make()
    good, bad = Conn("good"), Conn("bad")
    opened(pool, "a")
    opened(pool, "a")
    pool.give_back("a", good, 0)
    pool.give_back("a", bad, 0)
    bad.stale = True
    ticket, closing = pool.request("a", 1)
    assert ticket.connection is good and closing == [bad]
    assert pool.statistics()["stale"] == 1


def test_all_stale_gives_a_permit() -> None:
    pool = make(max_per_origin=1)
    bad = Conn()
    opened(pool, "a")
    pool.give_back("a", bad, 0)
    bad.stale = True
    ticket, closing = pool.request("a", 1)
    assert ticket.permit and closing == [bad]


def test_idle_expiry() -> None:
    pool = make(idle_expiry=5)
    one = Conn()
    opened(pool, "a")
    pool.give_back("a", one, 10)
    assert pool.next_expiry == 15
    assert pool.expire(14.9) == []
    ticket, closing = pool.request("a", 15)
    assert closing == [one] and ticket.permit
    assert pool.next_expiry == math.inf


def test_limit_per_origin_queues_in_order_and_wakes() -> None:
    pool = make(max_per_origin=1)
    opened(pool, "a")
    first, _ = pool.request("a", 0)
    second, _ = pool.request("a", 0)
    woken: list[str] = []
    first.wake = lambda: woken.append("first")
    second.wake = lambda: woken.append("second")
    assert not first.done and pool.waiting == 2
    conn = Conn()
    pool.give_back("a", conn, 0)
    assert first.connection is conn and not second.done and woken == ["first"]
    pool.gone("a", 0)
    assert second.permit and woken == ["first", "second"]


def test_a_full_origin_does_not_block_another() -> None:
    pool = make(max_per_origin=1, max_connections=10)
    opened(pool, "a")
    blocked, _ = pool.request("a", 0)
    other, _ = pool.request("b", 0)
    assert other.permit and not blocked.done


def test_eviction_of_an_idle_stranger() -> None:
    pool = make(max_connections=1, max_per_origin=1)
    idle = Conn()
    opened(pool, "a")
    pool.give_back("a", idle, 0)
    ticket, closing = pool.request("b", 0)
    assert ticket.permit and closing == [idle]
    assert "a" not in pool.statistics()["origins"]


def test_total_limit_serves_the_oldest_whatever_its_origin() -> None:
    pool = make(max_connections=1, max_per_origin=1)
    opened(pool, "a")
    waiting_b, _ = pool.request("b", 0)
    waiting_a, _ = pool.request("a", 0)
    conn = Conn()
    closing = pool.give_back("a", conn, 0)
    assert waiting_b.permit and closing == [conn] and not waiting_a.done
    pool.gone("b", 0)
    assert waiting_a.permit


def test_max_idle() -> None:
    pool = make(max_idle=1)
    one, two = Conn("one"), Conn("two")
    opened(pool, "a")
    opened(pool, "b")
    assert pool.give_back("a", one, 0) == []
    assert pool.give_back("b", two, 0) == [one]


def test_withdraw_while_waiting() -> None:
    pool = make(max_per_origin=1)
    opened(pool, "a")
    ticket, _ = pool.request("a", 0)
    later, _ = pool.request("a", 0)
    assert pool.withdraw(ticket, 0) == []
    assert pool.waiting == 1
    pool.gone("a", 0)
    assert later.permit and not ticket.done


def test_withdraw_after_being_served_passes_it_on() -> None:
    pool = make(max_per_origin=1)
    opened(pool, "a")
    first, _ = pool.request("a", 0)
    second, _ = pool.request("a", 0)
    conn = Conn()
    pool.give_back("a", conn, 0)
    assert first.connection is conn
    pool.withdraw(first, 0)
    assert second.connection is conn and first.connection is None
    pool.give_back("a", conn, 0)
    third, _ = pool.request("a", 0)
    pool.withdraw(third, 0)
    assert pool.statistics()["idle"] == 1


def test_withdraw_a_permit() -> None:
    pool = make(max_per_origin=1)
    ticket, _ = pool.request("a", 0)
    waiting, _ = pool.request("a", 0)
    pool.withdraw(ticket, 0)
    assert waiting.permit
    pool.withdraw(waiting, 0)
    assert pool.statistics()["origins"] == {}


def test_clear() -> None:
    pool = make()
    one, two = Conn("one"), Conn("two")
    opened(pool, "a")
    opened(pool, "b")
    pool.give_back("a", one, 0)
    pool.give_back("b", two, 0)
    assert pool.clear() == [one, two]
    assert pool.statistics()["origins"] == {}
    assert repr(pool) == "<Pool in_use=0 idle=0 waiting=0>"


@pytest.mark.parametrize("seed", range(20))
def test_invariants_hold_in_random_histories(seed: int) -> None:
    rng = random.Random(seed)
    limits = ClientLimits(max_connections=5, max_per_origin=3, max_idle=3, idle_expiry=4)
    pool: Pool[Conn] = Pool(limits)
    now = 0.0
    waiting: list = []
    using: list = []
    open_now: set[Conn] = set()

    def close(connections: list[Conn]) -> None:
        for conn in connections:
            assert conn in open_now
            open_now.remove(conn)

    for _ in range(400):
        now += rng.random()
        action = rng.random()
        if action < 0.45:
            ticket, closing = pool.request(rng.choice("abc"), now)
            close(closing)
            waiting.append(ticket)
        elif action < 0.7 and using:
            origin, conn = using.pop(rng.randrange(len(using)))
            conn.stale = False
            close(pool.give_back(origin, conn, now))
            conn.stale = rng.random() < 0.2
        elif action < 0.85 and using:
            origin, conn = using.pop(rng.randrange(len(using)))
            open_now.remove(conn)
            close(pool.gone(origin, now))
        elif waiting:
            ticket = waiting.pop(rng.randrange(len(waiting)))
            close(pool.withdraw(ticket, now))
        for ticket in [t for t in waiting if t.done]:
            waiting.remove(ticket)
            conn = ticket.connection
            if conn is None:
                conn = Conn()
                open_now.add(conn)
            using.append((ticket.origin, conn))
        stats = pool.statistics()
        assert stats["in_use"] == len(using)
        assert stats["in_use"] + stats["idle"] == len(open_now) <= 5
        assert stats["idle"] <= 3 and stats["waiting"] == len(waiting)
        assert all(o["in_use"] <= 3 for o in stats["origins"].values())
        # Nobody waits while there is room: the total is used up, or the origin is.
        for ticket in waiting:
            own = stats["origins"][ticket.origin]
            assert own["in_use"] == 3 or stats["in_use"] == 5
            assert own["idle"] == 0 or own["in_use"] == 3
