"""What becomes of a request whose client went away, and blocks that must not be cut.

Knows trio, and that the current request can be held. Must not know HTTP or the server.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from .._util.current import current_request
from .._util.late import later
from .._util.records import dataclass
from ..errors import DeadlineError

if TYPE_CHECKING:
    import trio
else:
    trio = later("trio", globals())

__all__ = ["CANCEL", "FINISH", "DisconnectPolicy", "critical", "grace"]


@dataclass(frozen=True, slots=True)
class DisconnectPolicy:
    """`cancel`: the request's scope is cancelled at once. `finish`: it runs to its end
    (only the close callback is called). `grace`: cancelled after `seconds`.

    Made by `CANCEL`, `FINISH` and `grace(seconds)`.

    Attributes:
        kind: which of the three.
        seconds: how long a request runs on, for `grace`.
    """

    kind: Literal["cancel", "finish", "grace"]
    seconds: float = 0.0

    @classmethod
    def of(cls, value: DisconnectPolicy | str | None) -> DisconnectPolicy:
        """A policy from itself, from "cancel" or "finish"; None is the default."""
        if isinstance(value, DisconnectPolicy):
            return value
        if value is None or value == "cancel":
            return CANCEL
        if value == "finish":
            return FINISH
        raise ValueError(
            f'unknown disconnect policy {value!r}: it is "cancel", "finish" or grace(seconds)'
        )


CANCEL = DisconnectPolicy("cancel")
FINISH = DisconnectPolicy("finish")


def grace(seconds: float) -> DisconnectPolicy:
    """Let the request run on for `seconds` after its client went away."""
    return DisconnectPolicy("grace", seconds)


class critical:
    """`async with critical(timeout=5):` the block is not cancelled from outside.

    In a handler what follows is part of it: a block that ended well is followed by the
    handler's own answer, whatever was to end the request meanwhile (its deadline, a drain),
    until `timeout` seconds have passed since the block began. If the client has gone, there is no
    one to answer, and the handler is cancelled when the block ends.

    Cancellation: one that arrives meanwhile, and is not the request's, takes effect when the
    block ends.
    Raises `DeadlineError` if the block was still running after `timeout` seconds: a
    shield without a deadline would let one request hold the whole shutdown.
    """

    __slots__ = ("_held", "_scope", "_timeout")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._scope = trio.CancelScope(shield=True)
        self._held: Any = None  # the exchange, if it knows of us

    async def __aenter__(self) -> critical:
        until = trio.current_time() + self._timeout
        exchange = current_request.get(None)
        if exchange is not None and exchange.hold(until):
            self._held = exchange
        self._scope.deadline = until
        self._scope.__enter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        suppress = bool(self._scope.__exit__(exc_type, exc, traceback))
        held, self._held = self._held, None
        if held is not None and (exc is not None or held.gone is not None):
            held.release()
        if suppress:
            await trio.lowlevel.checkpoint_if_cancelled()
        # Not `suppress`: that is true of a block that ended well, too.
        if self._scope.cancelled_caught:
            raise DeadlineError(f"critical block took longer than {self._timeout} s", "critical")
        return suppress
