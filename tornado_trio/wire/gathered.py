"""`Gathered`: the chunks of a large body, joined while they come. Knows only bytes."""

from __future__ import annotations

import io
from typing import Final, final

#: Bytes of a body from which on this is worth while; a list that is joined is as fast below.
LARGE: Final = 4 * 1024 * 1024


@final
class Gathered:
    """A large body from its chunks. (To join a list of them has every byte in memory twice.)"""

    __slots__ = ("_length", "_out", "_room", "_size")

    def __init__(self, length: int) -> None:
        self._length = length  # what the peer says; it may become more when inflated
        self._out = io.BytesIO()
        self._room = 0
        self._size = 0

    def __repr__(self) -> str:
        return f"<Gathered {self._size} bytes>"

    def append(self, chunk: bytes) -> None:
        """The next chunk."""
        start, out = self._size, self._out
        self._size = size = start + len(chunk)
        if size > self._room:
            # Twice as much, for each time it grows may copy it; but never more than twice of what
            # has come, whatever the peer says.
            room = 2 * size
            self._room = room = min(room, self._length) if size <= self._length else room
            if room > size:
                out.seek(room - 1)
                out.write(b"\0")
                out.seek(start)
        out.write(chunk)

    def take(self) -> bytes:
        """The body. Nothing is added afterwards."""
        self._out.truncate(self._size)
        return self._out.getvalue()  # the memory itself, no copy
