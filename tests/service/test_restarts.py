"""When dead workers are replaced, and when that is given up."""

from __future__ import annotations

from tornado_trio.service.restarts import RestartPolicy


def test_one_that_lived_is_replaced_at_once() -> None:
    policy = RestartPolicy()
    assert [policy.died(1, 60.0) for _ in range(50)] == [0.0] * 50


def test_those_that_die_soon_wait_longer_and_longer() -> None:
    policy = RestartPolicy()
    # Another worker is well: no reason to give up.
    delays = [policy.died(1, 0.1, others=100.0) for _ in range(12)]
    assert delays == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0, 30.0]
    assert policy.died(2, 0.1, others=100.0) == 0.0  # each worker has a count of its own
    assert policy.died(1, 60.0) == 0.0
    assert policy.died(1, 0.1) == 0.0  # forgotten


def test_all_that_die_at_once_are_given_up() -> None:
    policy = RestartPolicy(give_up=4)
    decisions = [policy.died(number, 0.1, others=0.1) for number in (1, 2, 1, 2)]
    assert decisions == [0.0, 0.0, 0.5, None]


def test_one_that_lived_between_starts_the_count_anew() -> None:
    policy = RestartPolicy(give_up=3)
    for _ in range(10):
        assert policy.died(1, 0.1) is not None
        assert policy.died(1, 0.1) is not None
        assert policy.died(2, 10.0) == 0.0
