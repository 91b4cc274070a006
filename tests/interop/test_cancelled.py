"""The exception that is both libraries'."""

import asyncio
import pickle

import pytest
import trio

from tornado_trio.interop.cancelled import as_both


def cancelled() -> BaseException:
    async def main() -> BaseException:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as error:
                return error
        raise AssertionError

    return trio.run(main)


def test_a_cancellation_of_trios_becomes_both() -> None:
    error = cancelled()
    both = as_both(error)
    assert isinstance(both, trio.Cancelled)
    assert isinstance(both, asyncio.CancelledError)
    assert str(both) == str(error)
    assert both.__traceback__ is error.__traceback__
    assert as_both(both) is both


def test_it_may_be_pickled_where_trios_may() -> None:
    error = cancelled()
    try:
        pickle.loads(pickle.dumps(error))
    except TypeError:
        pytest.skip("not before trio 0.31")
    copy = pickle.loads(pickle.dumps(as_both(error)))
    assert isinstance(copy, trio.Cancelled)


@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError(), KeyboardInterrupt()])
def test_everything_else_stays_what_it_is(error: BaseException) -> None:
    assert as_both(error) is error
