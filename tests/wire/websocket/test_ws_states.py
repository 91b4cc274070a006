from __future__ import annotations

import pytest

from tornado_trio.wire.websocket.states import TRANSITIONS, State, Trigger, next_state


def test_table_is_complete() -> None:
    assert set(TRANSITIONS) == set(State)
    for state in State:
        # A lost stream and an error may come at any time and always end it.
        assert next_state(state, Trigger.EOF) is State.CLOSED
        assert next_state(state, Trigger.FAIL) is State.CLOSED


def test_both_orders_of_the_handshake() -> None:
    ours_first = next_state(State.OPEN, Trigger.SEND_CLOSE)
    assert ours_first is State.CLOSE_SENT
    assert next_state(ours_first, Trigger.RECEIVE_CLOSE) is State.CLOSED
    theirs_first = next_state(State.OPEN, Trigger.RECEIVE_CLOSE)
    assert theirs_first is State.CLOSE_RECEIVED
    assert next_state(theirs_first, Trigger.SEND_CLOSE) is State.CLOSED


@pytest.mark.parametrize(
    ("state", "trigger"),
    [
        (State.CLOSE_SENT, Trigger.SEND_CLOSE),
        (State.CLOSE_RECEIVED, Trigger.RECEIVE_CLOSE),
        (State.CLOSED, Trigger.SEND_CLOSE),
        (State.CLOSED, Trigger.RECEIVE_CLOSE),
    ],
)
def test_mistakes_are_ours(state: State, trigger: Trigger) -> None:
    with pytest.raises(RuntimeError, match="while"):
        next_state(state, trigger)
