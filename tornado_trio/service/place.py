"""`Place`: what a worker gets from its parent by the environment. Knows nothing else."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from .._util.records import dataclass
from .settings import PREFIX

__all__ = ["VARIABLE", "Place", "worker_place"]

VARIABLE = f"{PREFIX}WORKER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a worker gets at its start: its number, and its descriptors."""

    number: int
    row: int
    control: int
    broker: int
    board: int
    #: The descriptor of the parent's inspection queries; -1: none.
    inspection: int = -1

    def as_text(self) -> str:
        """For the environment."""
        numbers = (self.number, self.row, self.control, self.broker, self.board, self.inspection)
        return ",".join(map(str, numbers))


def worker_place(environ: MutableMapping[str, str] = os.environ) -> Place | None:
    """This process's place among workers, if it is one. Not passed on to its children."""
    text = environ.pop(VARIABLE, None)
    if text is None:
        return None
    number, row, control, broker, board, inspection = map(int, text.split(","))
    return Place(
        number=number,
        row=row,
        control=control,
        broker=broker,
        board=board,
        inspection=inspection,
    )
