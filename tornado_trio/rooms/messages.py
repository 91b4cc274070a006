"""The messages of a room, their order, and the errors of rooms.

Pure data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..errors import TornadoTrioError

__all__ = [
    "BEGINNING",
    "Entry",
    "Message",
    "Position",
    "RoomsError",
    "RoomsUnavailable",
    "SlowSubscriber",
    "pack",
    "parse_id",
    "show_id",
    "unpack",
]

#: A place in a room's order. Brokers give them out; later messages have greater ones.
Position = tuple[int, int]
#: Before the first message, and where no order is kept.
BEGINNING: Position = (0, 0)

_ID = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")


class RoomsError(TornadoTrioError):
    """Base of the errors of rooms."""


class RoomsUnavailable(RoomsError, OSError):
    """The broker cannot be reached; the error message says for how long it was tried."""


class SlowSubscriber(RoomsError):
    """A subscription with `SlowConsumer.CLOSE` did not keep up."""


@dataclass(frozen=True, slots=True)
class Message:
    """What was published in a room."""

    room: str
    data: str | bytes
    #: Names this message in its room's history; "" without one, and of a message that only
    #: this process has heard (`Rooms(local_when_away=True)`).
    id: str = ""
    #: Messages before this one are lost to this subscriber: the history no longer had them
    #: (or there is none), or its policy dropped them.
    missed: bool = False


class Entry(NamedTuple):
    """A message at its position; `previous` is the position of the one before it."""

    position: Position
    previous: Position
    message: Message

    def after_a_loss(self) -> Entry:
        """The same, for a subscriber that has lost what came before."""
        return self._replace(message=replace(self.message, missed=True))


def pack(data: str | bytes) -> bytes:
    """Text or bytes as the bytes that a broker keeps."""
    return b"t" + data.encode() if isinstance(data, str) else b"b" + data


def unpack(packed: bytes) -> str | bytes:
    """What was packed. Raises ValueError for invalid text."""
    return packed[1:].decode() if packed[:1] == b"t" else packed[1:]


def parse_id(text: str) -> Position | None:
    """The position that a message's id stands for; None for an invalid id."""
    match = _ID.fullmatch(text)
    return None if match is None else (int(match[1]), int(match[2] or 0))


def show_id(position: Position) -> str:
    """The id of the message at `position`."""
    return f"{position[0]}-{position[1]}"
