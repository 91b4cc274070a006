"""`Board`: numbers that workers and their parent share in memory, one row per process.

Knows mmap and struct. A worker writes its own row, every process reads all: no locks, no system
calls. Each field is one aligned word, so that reads and writes are atomic.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time
from collections.abc import Iterator

__all__ = ["Board", "Row"]

ROWS = 1024
_WORD = 8
_FIELDS = ("beat", "connections", "requests", "serving")
_ROW_SIZE = 64  # a cache line each: workers on different processors do not disturb each other
_USED = ROWS * _ROW_SIZE
_SIZE = _USED + _ROW_SIZE
_FLOAT = struct.Struct("=d")
_INT = struct.Struct("=q")


class Row:
    """The row of one process.

    Attributes:
      beat: `time.monotonic()` of its last sign of life; 0.0 before the first.
      connections: open ones.
      requests: answered or under way, in total; counted only where needed.
      serving: 1 while it takes new connections.
    """

    def __init__(self, memory: mmap.mmap, index: int) -> None:
        self.index = index
        self._memory = memory
        self._at = index * _ROW_SIZE

    def __repr__(self) -> str:
        return f"<Row {self.index} connections={self.connections} requests={self.requests}>"

    def clear(self) -> None:
        """Set everything to zero, for a new owner."""
        self._memory[self._at : self._at + _ROW_SIZE] = bytes(_ROW_SIZE)

    @property
    def beat(self) -> float:
        value: float = _FLOAT.unpack_from(self._memory, self._at)[0]
        return value

    def live(self) -> None:
        """Record a sign of life. (The clock is the machine's, the same for all processes.)"""
        _FLOAT.pack_into(self._memory, self._at, time.monotonic())

    def _get(self, field: int) -> int:
        value: int = _INT.unpack_from(self._memory, self._at + field * _WORD)[0]
        return value

    def _set(self, field: int, value: int) -> None:
        _INT.pack_into(self._memory, self._at + field * _WORD, value)

    @property
    def connections(self) -> int:
        return self._get(1)

    @connections.setter
    def connections(self, value: int) -> None:
        self._set(1, value)

    @property
    def requests(self) -> int:
        return self._get(2)

    @requests.setter
    def requests(self, value: int) -> None:
        self._set(2, value)

    @property
    def serving(self) -> bool:
        return bool(self._get(3))

    @serving.setter
    def serving(self, value: bool) -> None:
        self._set(3, int(value))


class Board:
    """The shared rows, over an inheritable descriptor `fd`; as many rows as were ever in use.

    Their number is stored behind the rows.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, _SIZE)
        self._rows: list[Row] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        used: int = _INT.unpack_from(self._memory, _USED)[0]
        return used

    @classmethod
    def create(cls) -> Board:
        """A new board. OSError: out of memory, or no folder for temporary files."""
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("tornado_trio workers")
        else:
            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        os.ftruncate(fd, _SIZE)
        return cls(fd)

    def __getitem__(self, index: int) -> Row:
        while len(self._rows) <= index < ROWS:
            self._rows.append(Row(self._memory, len(self._rows)))
        return self._rows[index]

    def __iter__(self) -> Iterator[Row]:
        return map(self.__getitem__, range(len(self)))

    def take(self) -> Row:
        """A free row, cleared. For the parent only. IndexError: all `ROWS` are in use."""
        if self._free:
            index = self._free.pop()
        else:
            index = len(self)
            if index >= ROWS:
                raise IndexError("all rows are taken")
            _INT.pack_into(self._memory, _USED, index + 1)
        row = self[index]
        row.clear()
        return row

    def give_back(self, row: Row) -> None:
        """Release the row of a process that has ended."""
        row.clear()
        self._free.append(row.index)

    def close(self) -> None:
        """Unmap it and close the descriptor."""
        self._memory.close()
        os.close(self.fd)
