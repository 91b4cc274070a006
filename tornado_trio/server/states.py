"""Where an HTTP/1 connection stands, as a table.

Theory. A connection answers one request after the other, so it is in one place at a time;
what may be believed of its client, and what may still be said to it, follow from that place
alone:

            BYTES          HEAD_READ                      FINISHED
     IDLE --------> HEAD -----------> REQUEST ------------------------> IDLE
       \\______________________________/  |  \\
              HEAD_READ                  |   \\-- DETACH --> DETACHED   the stream has a new owner
                                         |    \\- RELEASE -> RELEASED   another continues it
                                         v
     FAIL from IDLE, HEAD, REQUEST --> FAILED     nothing the client sends is believed
     END from everywhere -----------> CLOSING     the last response drains

Rules:
 1. Everything that changes the state goes through `TRANSITIONS`; a missing entry is a mistake
    of ours, never of the client.
 2. DETACHED and RELEASED connections touch neither stream nor wire: they are others' by then.
 3. A handler may be running in any state but IDLE and HEAD; in RELEASED nothing else is.

Deadlines:  IDLE `Timeouts.idle` (draining: `drain_idle`) · HEAD `Timeouts.head`, then 408 ·
REQUEST see `deadlines` · CLOSING `Timeouts.write`, `Timeouts.linger`
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["TRANSITIONS", "State", "Trigger"]


class State(Enum):
    """Where a connection stands."""

    # Enum's own hash is Python code: 0.2 us for each look into the table.
    __hash__ = object.__hash__

    IDLE = "idle"
    HEAD = "head"
    REQUEST = "request"
    DETACHED = "detached"
    RELEASED = "released"
    FAILED = "failed"
    CLOSING = "closing"


class Trigger(Enum):
    """What happens to a connection."""

    __hash__ = object.__hash__

    BYTES = "part of a head has come"
    HEAD_READ = "a head is complete"
    FINISHED = "the request is over, and another may come"
    DETACH = "the stream is given away"
    RELEASE = "another connection object goes on with the stream"
    FAIL = "the request was cut, or what came is not to be believed"
    END = "no request will follow"


TRANSITIONS: Final[dict[State, dict[Trigger, State]]] = {
    State.IDLE: {
        Trigger.BYTES: State.HEAD,
        Trigger.HEAD_READ: State.REQUEST,
        Trigger.FAIL: State.FAILED,
        Trigger.END: State.CLOSING,
    },
    State.HEAD: {
        Trigger.BYTES: State.HEAD,
        Trigger.HEAD_READ: State.REQUEST,
        Trigger.FAIL: State.FAILED,
        Trigger.END: State.CLOSING,
    },
    State.REQUEST: {
        Trigger.FINISHED: State.IDLE,
        Trigger.DETACH: State.DETACHED,
        Trigger.RELEASE: State.RELEASED,
        Trigger.FAIL: State.FAILED,
        Trigger.END: State.CLOSING,
    },
    State.DETACHED: {Trigger.FAIL: State.DETACHED, Trigger.END: State.DETACHED},
    State.RELEASED: {Trigger.FAIL: State.RELEASED, Trigger.END: State.RELEASED},
    State.FAILED: {Trigger.FAIL: State.FAILED, Trigger.END: State.FAILED},
    State.CLOSING: {Trigger.FAIL: State.CLOSING, Trigger.END: State.CLOSING},
}
