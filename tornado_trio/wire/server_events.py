"""Server-sent events as text (WHATWG HTML, 9.2): one event written, a stream of them read.

Sans IO: knows text and bytes only.
"""

from __future__ import annotations

import codecs
from typing import Final

from .._util.late import pattern_later
from .._util.records import dataclass
from ..errors import LimitError

__all__ = ["EventParser", "ServerEvent", "encode_comment", "encode_event"]

_LINE_END = pattern_later(r"\r\n|\r|\n", globals())
_MAX_EVENT: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event as a client sees it.

    data: its text, lines joined by newlines. event: its type. id: the last id the server sent, ""
    for none. retry: seconds to wait before reconnecting, if the event has it.
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: float | None = None


def encode_event(
    data: str | None,
    event: str | None = None,
    id: str | None = None,
    retry: float | None = None,
) -> bytes:
    """The bytes of an event; `retry` in seconds. Data may have lines.

    ValueError for a type or an id with a line end in it, or a NUL in the id.
    """
    lines = []
    for name, value in (("event", event), ("id", id)):
        if value is not None:
            if "\n" in value or "\r" in value or (name == "id" and "\0" in value):
                raise ValueError(f"the {name} of an event is one line without NUL, not {value!r}")
            lines.append(f"{name}: {value}\n")
    if retry is not None:
        lines.append(f"retry: {max(int(retry * 1000), 0)}\n")
    if data is not None:
        lines.extend(f"data: {line}\n" for line in _LINE_END.split(data))
    return ("".join(lines) + "\n").encode()


def encode_comment(text: str = "") -> bytes:
    """The bytes of a comment, which clients skip."""
    return ("".join(f": {line}\n" for line in _LINE_END.split(text)) + "\n").encode()


class EventParser:
    """Parses a stream incrementally: `feed` returns the events that are complete.

    last_id: what a client sends when it reconnects. retry: in seconds, None until it was sent.
    """

    def __init__(self, last_id: str = "", max_event: int = _MAX_EVENT) -> None:
        self.last_id = self._id = last_id
        self.retry: float | None = None
        self._max_event = max_event
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest: list[str] = []  # of a line whose end has not come
        self._rest_size = 0
        self._started = False
        self._after_cr = False
        self._forget()

    def _forget(self) -> None:
        self._data: list[str] = []
        self._event = ""
        self._new_retry: float | None = None
        self._size = 0

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """More of the stream. LimitError for an event larger than `max_event` characters."""
        text = self._decode(chunk)
        if not self._started and text:
            self._started = True
            text = text.removeprefix("\ufeff")
        if self._after_cr and text:
            text = text.removeprefix("\n")  # of a CRLF that came in two pieces
            self._after_cr = False
        if not text:
            return []
        self._after_cr = text.endswith("\r")
        *lines, rest = _LINE_END.split(text)
        found = []
        for line in lines:
            if self._rest:
                line = "".join([*self._rest, line])
                self._rest.clear()
                self._rest_size = 0
            event = self._line(line)
            if event is not None:
                found.append(event)
        if rest:
            # Joined only when its end has come: a long line costs no more for coming in pieces.
            self._rest.append(rest)
            self._rest_size += len(rest)
        if self._size + self._rest_size > self._max_event:
            raise LimitError(f"an event is larger than {self._max_event} characters")
        return found

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value  # counts with the end of the event
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = self._new_retry = int(value[:12]) / 1000
        return None

    def _dispatch(self) -> ServerEvent | None:
        event = None
        self.last_id = self._id
        if self._data:
            text = "\n".join(self._data)
            event = ServerEvent(text, self._event or "message", self.last_id, self._new_retry)
        self._forget()
        return event
