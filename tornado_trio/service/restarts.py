"""`RestartPolicy`: when a dead worker is replaced, and when to stop trying. Pure.

it lived for a while           at once
it died soon                   the first time at once, then after 0.5, 1, 2, ... 30 seconds
all die soon, again and again  not any more
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["RestartPolicy"]


@dataclass(slots=True, kw_only=True)
class RestartPolicy:
    """Decides for all workers of one parent.

    Attributes:
      stable: seconds after which a worker counts as having started well.
      first, longest: seconds; the delay doubles between them.
      give_up: number of consecutive early deaths after which it stops.
    """

    stable: float = 5.0
    first: float = 0.5
    longest: float = 30.0
    give_up: int = 8
    _in_a_row: dict[int, int] = field(default_factory=dict)
    _all_in_a_row: int = 0

    def died(self, number: int, lived: float, others: float = 0.0) -> float | None:
        """Seconds until worker `number` is restarted; None: stop trying.

        Args:
          number: which worker died.
          lived: seconds from its start to its end.
          others: seconds since the oldest of the others was started.
        """
        if lived >= self.stable:
            self._in_a_row.pop(number, None)
            self._all_in_a_row = 0
            return 0.0
        before = self._in_a_row.get(number, 0)
        self._in_a_row[number] = before + 1
        self._all_in_a_row = 0 if others >= self.stable else self._all_in_a_row + 1
        if self._all_in_a_row >= self.give_up:
            return None
        if before == 0:
            return 0.0
        delay: float = self.first * 2 ** min(before - 1, 20)
        return min(delay, self.longest)
