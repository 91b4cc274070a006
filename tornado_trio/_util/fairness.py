"""Letting others run while there is always more to do. Knows trio's checkpoints only.

A peer that is faster than we are never makes its task wait, and trio switches tasks only where one
waits. So every loop over what a peer sends, or receives, counts its steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from .late import later

if TYPE_CHECKING:
    import trio
else:
    trio = later("trio", globals())

__all__ = ["Budget"]


@final
class Budget:
    """Steps that a task may take in a row before other tasks get a turn.

    Args:
      steps: so many that they are worth about a millisecond: the checkpoint then costs
        little beside them, and other tasks wait no longer than that for each busy one.
    """

    __slots__ = ("_left", "_steps")

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._left = steps

    def spent(self) -> bool:
        """Count a step; True when a checkpoint is due (the count then begins anew)."""
        self._left -= 1
        if self._left:
            return False
        self._left = self._steps
        return True

    def renew(self) -> None:
        """The task has waited: other tasks had a turn."""
        self._left = self._steps

    async def maybe_checkpoint(self) -> None:
        """Count a step, with a checkpoint when one is due; else only a cancellation point.

        Cancellation: take the step afterwards, and nothing of it is lost.
        """
        self._left -= 1
        if self._left:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            self._left = self._steps
            await trio.lowlevel.checkpoint()
