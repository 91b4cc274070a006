"""What both roles of HTTP/1.1 share: the receive buffer, the states, framing of what is sent.

Knows heads' ends, body readers and the grammar of what we may send. Must not know which role it
plays: see `http1`, which has the table of states.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from .._util.late import pattern_later
from ..errors import HTTPOutputError, LimitError, PeerError
from ..limits import STRICT, Dialect, Limits
from .bodies import BodyReader, LengthReader
from .events import END, EndOfMessage, Signal
from .headers import HTTPHeaders
from .writing import encode_chunk, encode_head, encode_last_chunk

__all__ = ["BODY", "DONE", "ERROR", "HEAD", "SWITCHED", "Wire"]

HEAD, BODY, DONE, ERROR, SWITCHED = range(5)
_BARE_LF = pattern_later(rb"(?<!\r)\n|^\n", globals())
_NEED_DATA = Signal.NEED_DATA


def end_of_head(data: bytes | bytearray, dialect: Dialect, start: int = 0) -> int:
    """Where the first head in `data` ends, with its empty line; -1: it does not yet.

    Of lines that may end with a bare LF, plain searches find it: 0.7 k instructions, where a
    pattern costs 6 k for a head of 40 bytes, and more with each byte.
    """
    if not dialect.bare_lf:
        end = data.find(b"\r\n\r\n", start)
        return end + 4 if end >= 0 else -1
    end = data.find(b"\n\r\n", start)
    sooner = data.find(b"\n\n", start, end + 1) if end >= 0 else data.find(b"\n\n", start)
    if sooner >= 0:
        return sooner + 2
    return end + 3 if end >= 0 else -1


class Wire:
    """What both roles share: the receive buffer and the states above.

    Attributes:
      max_body_size: of the message being read; `next_cycle` restores the limit's.
      eof: the peer ended its sending side.
    """

    __slots__ = (
        "_buffer",
        "_chunking",
        "_empty_lines",
        "_encode",
        "_error",
        "_body_remaining",
        "_suppress_body",
        "_reader",
        "_scanned",
        "_state",
        "dialect",
        "eof",
        "limits",
        "max_body_size",
    )

    def __init__(self, limits: Limits, dialect: Dialect = STRICT) -> None:
        self.limits = limits
        self.dialect = dialect
        self.max_body_size = limits.max_body_size
        self.eof = False
        self._buffer = bytearray()
        self._empty_lines = 0
        self._scanned = 0
        self._state = HEAD
        self._reader: BodyReader | None = None
        self._error: PeerError | None = None
        # Of the message being sent: chunked framing; bytes its Content-Length still wants.
        self._chunking = False
        self._body_remaining: int | None = None
        self._encode: Callable[[bytes, HTTPHeaders], bytes] = encode_head
        # The answer to HEAD: a body given by the program goes nowhere.
        self._suppress_body = False

    # --- receiving -----------------------------------------------------------
    def feed(self, data: bytes) -> None:
        """Bytes from the peer; b"" is the end of its stream."""
        if data:
            self._buffer += data
        else:
            self.eof = True

    def passthrough(self, data: bytes) -> bool:
        """Whether `data`, just received, is body bytes as they are: then it need not be fed.

        Saves two copies of each byte of a large body (64 MB: 20 of 30 ms).
        """
        reader = self._reader
        if not data or self._buffer or type(reader) is not LengthReader:
            return False
        if len(data) > reader.remaining:
            return False
        reader.remaining -= len(data)
        return True

    def set_max_body_size(self, size: int) -> None:
        """Another bound for this message's body; before it is read."""
        self.max_body_size = size

    @property
    def buffered(self) -> int:
        """Bytes received and not yet passed on."""
        return len(self._buffer)

    def take_rest(self) -> bytes:
        """Everything received after the last message. The wire cannot be used afterwards."""
        self._state = SWITCHED
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def give_back(self) -> bytes:
        """The bytes received and not used yet, for another reader of the stream, who may be one of
        this message's body (see `end_body`)."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def body_reader(self) -> BodyReader | None:
        """What reads the body of the message whose head has been taken; None: it has none.

        Raises `PeerError` for a body that would be refused.
        """
        return self._reader

    def expect(self, count: int) -> None:
        """So many bytes of body follow, whatever the head says."""
        reader = self.body_reader()
        if not isinstance(reader, LengthReader) or reader.remaining != count:
            self._reader = LengthReader(count)

    def end_body(self) -> None:
        """For the wire the message ends here: its body was read by another reader of the stream."""
        if self._state == BODY:
            self._reader = None
            self._state = DONE

    def _fail(self, error: PeerError) -> NoReturn:
        self._state = ERROR
        self._error = error
        self._buffer.clear()
        raise error

    def _skip_empty_lines(self) -> bool:
        """RFC 9112 2.2: ignore an empty line before the start line; but not a flood.

        False: there is half of one, whose other half must come first.
        """
        buffer = self._buffer
        while self._empty_lines < 2:
            if buffer.startswith(b"\r\n"):
                del buffer[:2]
            elif self.dialect.bare_lf and buffer.startswith(b"\n"):
                del buffer[:1]
            else:
                return buffer != b"\r" or self.eof
            self._empty_lines += 1
        return True

    def _take_head(self) -> bytes | None:
        """The next head with its empty line, or None. Bounded however it trickles in."""
        buffer = self._buffer
        limit = self.limits.max_head_size
        end = end_of_head(buffer, self.dialect, max(0, self._scanned - 3))
        if end < 0:
            if len(buffer) > limit:
                self._too_large(buffer)
            if not self.dialect.bare_lf and _BARE_LF.search(buffer, max(0, self._scanned - 1)):
                self._fail(PeerError("Malformed HTTP message: bare LF in head"))
            self._scanned = len(buffer)
            return None
        if end > limit:
            self._too_large(buffer)
        head = bytes(buffer[:end])
        del buffer[:end]
        self._scanned = 0
        return head

    def _too_large(self, buffer: bytearray) -> NoReturn:
        first = buffer.find(b"\n", 0, self.limits.max_head_size)
        status = 414 if first < 0 else 431
        self._fail(LimitError("head too large", status))

    def _read_body(self) -> bytes | EndOfMessage | Signal:
        reader = self._reader
        if reader is None:
            self._state = DONE
            return END
        try:
            got = reader.read(self._buffer, self.limits.chunk_size)
            if got is None:
                if not self.eof:
                    return _NEED_DATA
                got = reader.eof()
        except PeerError as exc:
            self._fail(exc)
        if type(got) is EndOfMessage:
            self._reader = None
            self._state = DONE
        return got

    # --- sending -------------------------------------------------------------
    def body(self, chunk: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
        """A piece of the outgoing body, framed. With a length it is the very same object.

        Raises `HTTPOutputError` beyond the Content-Length announced.
        """
        if self._chunking:
            return encode_chunk(chunk) if chunk else b""
        if self._suppress_body:
            return b""
        if self._body_remaining is not None:
            self._body_remaining -= len(chunk)
            if self._body_remaining < 0:
                raise HTTPOutputError("Tried to write more data than Content-Length")
        return chunk

    def count_sent(self, count: int) -> None:
        """`count` body bytes go out past this object (sendfile): with a length only."""
        if self._body_remaining is None or self._chunking or count > self._body_remaining:
            raise HTTPOutputError("sendfile needs a Content-Length that covers it")
        self._body_remaining -= count

    def end(self, trailers: HTTPHeaders | None = None) -> bytes:
        """The end of the outgoing body. Trailers are sent if the framing can carry them."""
        if self._chunking:
            self._chunking = False
            return encode_last_chunk(trailers)
        if self._body_remaining:
            raise HTTPOutputError(
                f"Tried to write {self._body_remaining} bytes less than Content-Length"
            )
        return b""

    @property
    def all_written(self) -> bool:
        """The response whose head was made has all of its body: only `end` is missing."""
        return not self._chunking and (self._suppress_body or self._body_remaining == 0)

    def _frame(self, headers: HTTPHeaders) -> bool:
        """Note a Content-Length given by the program; False if it gave no framing."""
        fields = headers._fields
        length: Any = fields.get("Content-Length")
        if length is None:
            return "Transfer-Encoding" in fields
        if type(length) is not str:
            length = str(headers["Content-Length"])  # a program stored an int, or several
        if not (length.isdigit() and length.isascii()):
            raise HTTPOutputError(f"Illegal Content-Length {length!r}")
        self._body_remaining = int(length)
        return True
