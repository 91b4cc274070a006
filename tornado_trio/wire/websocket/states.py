"""The closing of a WebSocket as a table (RFC 6455, section 7).

Theory. A connection ends by a handshake: each side sends one close frame, whichever begins. Only
what has happened so far matters, so the states are the four combinations of "we sent ours" and
"theirs came", with everything that ends the connection without a handshake (end of stream, an
error, a deadline) leading to the last one, too:

                    SEND_CLOSE
        OPEN ------------------------> CLOSE_SENT
         |                                  |
         | RECEIVE_CLOSE                    | RECEIVE_CLOSE
         v          SEND_CLOSE              v
    CLOSE_RECEIVED ------------------->  CLOSED  <--- EOF, FAIL from any state

Rules:
 1. Everything that changes the state goes through `TRANSITIONS`; a missing entry is a
    mistake of ours, never of the peer (a second close frame of the peer is never read:
    after the first one its bytes are dropped).
 2. The table does not know which side we are. The one asymmetry (the server ends the TCP
    connection, the client waits for that) is the session's.
 3. Sending data is legal until SEND_CLOSE; receiving in OPEN and CLOSE_SENT, since messages may
    have been in transit when we sent our close frame. (In CLOSE_RECEIVED too: 5.5.1 lets the answer
    to a close frame wait for a message in progress. The session begins no new one there.)
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["CLOSED", "OPEN", "TRANSITIONS", "State", "Trigger", "next_state"]


class State(Enum):
    """The state of a connection."""

    OPEN = "open"
    CLOSE_SENT = "close sent"
    CLOSE_RECEIVED = "close received"
    CLOSED = "closed"


# For what is asked of each message: a member by its class's attribute costs 0.3 k instructions.
OPEN: Final = State.OPEN
CLOSED: Final = State.CLOSED


class Trigger(Enum):
    """An event of a connection."""

    SEND_CLOSE = "send close"
    RECEIVE_CLOSE = "receive close"
    EOF = "eof"
    FAIL = "fail"


TRANSITIONS: Final[dict[State, dict[Trigger, State]]] = {
    State.OPEN: {
        Trigger.SEND_CLOSE: State.CLOSE_SENT,
        Trigger.RECEIVE_CLOSE: State.CLOSE_RECEIVED,
        Trigger.EOF: State.CLOSED,
        Trigger.FAIL: State.CLOSED,
    },
    State.CLOSE_SENT: {
        Trigger.RECEIVE_CLOSE: State.CLOSED,
        Trigger.EOF: State.CLOSED,
        Trigger.FAIL: State.CLOSED,
    },
    State.CLOSE_RECEIVED: {
        Trigger.SEND_CLOSE: State.CLOSED,
        Trigger.EOF: State.CLOSED,
        Trigger.FAIL: State.CLOSED,
    },
    State.CLOSED: {
        Trigger.EOF: State.CLOSED,
        Trigger.FAIL: State.CLOSED,
    },
}


def next_state(state: State, trigger: Trigger) -> State:
    """The state after `trigger`.

    Raises:
        RuntimeError: the table has no such transition: a mistake of the caller.
    """
    try:
        return TRANSITIONS[state][trigger]
    except KeyError:
        raise RuntimeError(f"websocket: {trigger.value} while {state.value}") from None
