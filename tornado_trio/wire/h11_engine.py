"""h11 as the engine: the interface of `wire.http1`, in both roles, with h11 parsing and writing.

For programs that want the reference implementation on the wire, and for our tests, which hold
the two engines to the same corpus. It takes about four times as long per head. Knows h11 and
the rules for messages around it; must not know I/O.

h11 parses and writes heads, bodies and chunks, and refuses what breaks RFC 9112's grammar or
the order of messages. The following it leaves to its user; it is added here, or inherited:

    bare LF, folded lines, controls in values        `_check_lines`, before h11 is asked
    sizes of heads (414, 431), number of fields      inherited, `_check_lines`
    "Content-Length: 5, 5"                           `_check_lines` (h11 makes one of them)
    targets: forms, fragments, absolute URIs; Host;  `judge_request`, shared by both engines
    versions (505); Expect (417); codings beside
    lengths, or in HTTP/1.0
    which status answers an error                    our parser is asked what is wrong
    sizes of bodies, chunk lines, extensions,        inherited: the readers of `wire.bodies`
    trailers; chunks in one step                     hand h11 what they let pass
    keep-alive with HTTP/1.0 (h11 always closes);    inherited. So each direction of each
    pipelining; heads that are taken back            exchange has an h11 connection of its own
    sendfile, bytes that are sent past the engine    inherited; h11 is given their number

Some leniences of `Dialect` h11 does not have (`REFUSED`). In two heads it says more than our own
engine: "Connection: close" to HTTP/1.0, "Transfer-Encoding: chunked" in an answer to HEAD.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import h11

from ..errors import HTTPOutputError, LimitError, PeerError
from ..limits import RESPONSES, STRICT, Dialect, Limits
from .bodies import BodyReader, ChunkedReader, EofReader, LengthReader
from .events import (
    END,
    EndOfMessage,
    RequestHead,
    RequestStartLine,
    ResponseHead,
    ResponseStartLine,
)
from .headers import HTTPHeaders
from .heads import (
    check_length,
    judge_request,
    judge_response,
    parse_request_head,
    parse_response_head,
    read_request_line,
)
from .http1 import ClientWire, ServerWire
from .writing import encode_head

__all__ = ["REFUSED", "H11ClientWire", "H11ServerWire"]

#: Flags of `Dialect` that ask for what h11 refuses: requests without Host, controls in
#: values, and a response with both framings.
REFUSED: Final = ("missing_host", "loose_fields", "coding_beside_length")

# Of what h11 may buffer: our own bounds come first.
_UNBOUNDED: Final = 1 << 40
_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_FOLD = re.compile(rb"\n[ \t]")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LENGTHS = re.compile(rb"\ncontent-length:([^\r\n]*)", re.IGNORECASE)

Chunk = bytes | bytearray | memoryview


def _check_lines(data: bytes, limits: Limits, dialect: Dialect) -> None:
    """What h11 lets pass in a head."""
    unpaired = _BARE_LF.search(data) is not None and not (dialect.bare_lf and b"\r" not in data)
    if unpaired and dialect.bare_lf:
        raise PeerError("Malformed HTTP message: bare LF in head")
    if unpaired or _BARE_CR.search(data) is not None:
        raise PeerError("bare CR or LF in header section")
    if _FOLD.search(data) is not None and not dialect.folding:
        raise PeerError("obsolete line folding in header section")
    if _CONTROL.search(data) is not None:
        raise PeerError("Invalid header value")
    if data.count(b"\n") - 2 > limits.max_fields:
        raise LimitError("too many header fields", 431)
    lengths = _LENGTHS.findall(data)
    if len(lengths) > 1 or (lengths and b"," in lengths[0]):
        check_length([length.decode("latin-1") for length in lengths], dialect)


def _event(connection: h11.Connection, data: bytes) -> Any:
    """What h11 makes of `data`. Raises `PeerError`."""
    connection.receive_data(data)
    try:
        return connection.next_event()
    except h11.RemoteProtocolError as error:
        message = f"Malformed HTTP message: {error}"
        raise PeerError(message, error.error_status_hint) from error


def _send(connection: h11.Connection, kind: Callable[..., Any], **fields: Any) -> list[Any]:
    """An event as h11 writes it. Raises `HTTPOutputError`."""
    try:
        return connection.send_with_data_passthrough(kind(**fields)) or []
    except h11.LocalProtocolError as error:
        raise HTTPOutputError(str(error)) from error


def _headers(received: Any) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in received.raw_items():
        headers.add(name.decode("ascii"), value.decode("latin-1"))
    return headers


def _fields(headers: HTTPHeaders) -> list[tuple[bytes, bytes]]:
    return [
        (name.encode("ascii"), value.strip(" \t").encode("latin-1"))
        for name, value in headers.get_all()
    ]


class _SentPast:
    """Stands for bytes that go out by another way: h11 only asks how many."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count


# --- bodies ---------------------------------------------------------------------------


class _H11Length(LengthReader):
    __slots__ = ("_connection",)

    def __init__(self, connection: h11.Connection, length: int) -> None:
        super().__init__(length)
        self._connection = connection

    def read(self, buffer: bytearray, max_bytes: int) -> bytes | EndOfMessage | None:
        data = super().read(buffer, max_bytes)
        if isinstance(data, bytes):
            return bytes(_event(self._connection, data).data)
        return data


class _H11Eof(EofReader):
    __slots__ = ("_connection",)

    def __init__(self, connection: h11.Connection, limit: int) -> None:
        super().__init__(limit)
        self._connection = connection

    def read(self, buffer: bytearray, max_bytes: int) -> bytes | EndOfMessage | None:
        data = super().read(buffer, max_bytes)
        if isinstance(data, bytes):
            return bytes(_event(self._connection, data).data)
        return data

    def eof(self) -> EndOfMessage:
        _event(self._connection, b"")
        return super().eof()


class _H11Chunks(ChunkedReader):
    """Checks each line of the framing, then gives it to h11; data as far as it goes."""

    __slots__ = ("_connection", "_line_end")

    def __init__(
        self, connection: h11.Connection, limit: int, limits: Limits, dialect: Dialect
    ) -> None:
        super().__init__(limit, limits, dialect)
        self._connection = connection
        self._line_end = 0  # bytes still to come of the one behind a chunk

    def read(self, buffer: bytearray, max_bytes: int) -> bytes | EndOfMessage | None:
        pieces: list[bytes] = []
        have = chunks = 0
        while buffer and have < max_bytes and chunks < self._limits.chunks_per_step:
            if self._in_trailers:
                break
            if self.remaining:
                count = min(self.remaining, len(buffer), max_bytes - have)
                self.remaining -= count
                have += count
                if not self.remaining:
                    self._line_end = 2
                    chunks += 1
                pieces.append(bytes(self._give(buffer, count).data))
            elif self._line_end:
                count = min(self._line_end, len(buffer))
                self._line_end -= count
                self._give(buffer, count)
            else:
                step = self._size_line(buffer, 0)
                if not step:
                    break
                del buffer[:step]
                # Without the extensions, which mean nothing to us: h11 has no blanks in them.
                _event(self._connection, b"%x\r\n" % self.remaining)
        if pieces:
            return b"".join(pieces)
        return self._trailers(buffer) if self._in_trailers else None

    def _give(self, buffer: bytearray, count: int) -> Any:
        data = bytes(buffer[:count])
        del buffer[:count]
        return _event(self._connection, data)

    def _trailers(self, buffer: bytearray) -> EndOfMessage | None:
        if not buffer.startswith(b"\r\n") and buffer.find(b"\r\n\r\n", self._unsearched()) < 0:
            return super()._trailers(buffer)  # judges what there is of them
        section = bytes(buffer)
        end = super()._trailers(buffer)
        event = _event(self._connection, section[: len(section) - len(buffer)])
        if end is None or type(event) is not h11.EndOfMessage:
            raise PeerError("Malformed trailer section")
        return EndOfMessage(_headers(event.headers)) if event.headers else END


def _by_h11(
    connection: h11.Connection, reader: BodyReader, limits: Limits, dialect: Dialect
) -> BodyReader:
    """The same reader, reading through h11."""
    if isinstance(reader, ChunkedReader):
        return _H11Chunks(connection, reader.left, limits, dialect)
    if isinstance(reader, LengthReader):
        return _H11Length(connection, reader.remaining)
    return _H11Eof(connection, reader.left)


# --- the server -----------------------------------------------------------------------


class H11ServerWire(ServerWire):
    """`ServerWire` by h11."""

    __slots__ = ("_reading", "_writing")

    def __init__(self, limits: Limits, dialect: Dialect = STRICT) -> None:
        super().__init__(limits, dialect)
        self._parse = self._request
        self._encode = self._response
        self._reading: h11.Connection | None = None
        self._writing: h11.Connection | None = None

    def _request(self, data: bytes, limits: Limits, dialect: Dialect) -> RequestHead:
        _check_lines(data, limits, dialect)
        first, _, rest = data.partition(b"\n")
        first_line = read_request_line(first.removesuffix(b"\r").decode("latin-1"), dialect)
        shown = " ".join(first_line).encode("latin-1") + b"\r\n" + rest
        connection = self._reading = h11.Connection(h11.SERVER, _UNBOUNDED)
        try:
            event = _event(connection, shown)
        except PeerError:
            parse_request_head(data, limits, dialect)  # knows which status it deserves
            raise
        if type(event) is not h11.Request:
            raise PeerError("Malformed HTTP message")
        line = RequestStartLine(
            event.method.decode("ascii"),
            event.target.decode("ascii"),
            f"HTTP/{event.http_version.decode('ascii')}",
        )
        return judge_request(line, _headers(event.headers), dialect)

    def _open_body(self, head: RequestHead) -> None:
        super()._open_body(head)
        if self._reader is not None and self._reading is not None:
            self._reader = _by_h11(self._reading, self._reader, self.limits, STRICT)

    def _response(self, first: bytes, headers: HTTPHeaders) -> bytes:
        encode_head(first, headers)  # refuses what h11 would send (controls)
        code, reason = int(first[9:12]), first[13:-2]
        if self._writing is None or code == 101:
            self._writing = self._in_answer_to(code, headers)
        kind = h11.InformationalResponse if code < 200 else h11.Response
        fields = _fields(headers)
        pieces = _send(self._writing, kind, status_code=code, headers=fields, reason=reason)
        if code == 101 or self._writing.our_state is h11.SWITCHED_PROTOCOL:
            self._writing = None  # what follows is no HTTP
        return b"".join(pieces)

    def _in_answer_to(self, code: int, headers: HTTPHeaders) -> h11.Connection:
        """A connection on which such a request has come. h11 never lets HTTP/1.0 keep alive,
        and says so in the head: only an answer that ends by closing is given as one to that."""
        connection = h11.Connection(h11.SERVER)
        line = None if self.head is None else self.head.start_line
        method = "GET" if line is None else line.method
        framed = "Content-Length" in headers or "Transfer-Encoding" in headers
        old = (line is None or line.version == "HTTP/1.0") and not framed and method != "HEAD"
        version = "1.0" if old and code not in (204, 304) else "1.1"
        target = "a:1" if method == "CONNECT" else "/"
        upgrade = "Connection: upgrade\r\nUpgrade: x\r\n" if code == 101 else ""
        request = f"{method} {target} HTTP/{version}\r\nHost: a\r\n{upgrade}\r\n"
        _event(connection, request.encode("ascii"))
        return connection

    def body(self, chunk: Chunk) -> Chunk:
        if self._writing is None or self._suppress_body:
            return super().body(chunk)
        if not self._chunking:
            chunk = super().body(chunk)
        return _body(self._writing, chunk)

    def count_sent(self, count: int) -> None:
        super().count_sent(count)
        if self._writing is not None and count:
            _send(self._writing, h11.Data, data=_SentPast(count))

    def end(self, trailers: HTTPHeaders | None = None) -> bytes:
        writing, self._writing = self._writing, None
        chunked = self._chunking
        data = super().end(trailers)
        return data if writing is None else _end(writing, trailers if chunked else None)

    def retract_head(self) -> None:
        super().retract_head()
        self._writing = None

    def next_cycle(self) -> bool:
        self._writing = None
        return super().next_cycle()


# --- the client -----------------------------------------------------------------------


class H11ClientWire(ClientWire):
    """`ClientWire` by h11."""

    __slots__ = ("_exchange",)

    def __init__(self, limits: Limits, dialect: Dialect = RESPONSES) -> None:
        super().__init__(limits, dialect)
        self._parse = self._response_of
        self._encode = self._request
        self._exchange: h11.Connection | None = None

    def _request(self, first: bytes, headers: HTTPHeaders) -> bytes:
        encode_head(first, headers)  # refuses what h11 would send (controls)
        method, target, _ = first.split(b" ")
        self._exchange = h11.Connection(h11.CLIENT, _UNBOUNDED)
        fields = _fields(headers)
        pieces = _send(self._exchange, h11.Request, method=method, target=target, headers=fields)
        return b"".join(pieces)

    def _response_of(self, data: bytes, limits: Limits, dialect: Dialect) -> ResponseHead:
        connection = self._exchange
        if connection is None:
            # The request went out past this object: h11 has to have seen one.
            connection = self._exchange = h11.Connection(h11.CLIENT, _UNBOUNDED)
            fields = [(b"Host", b"a"), (b"Content-Length", b"0")]
            method = self._method or "GET"
            _send(connection, h11.Request, method=method, target="a:1", headers=fields)
        _check_lines(data, limits, dialect)
        try:
            event = _event(connection, data)
        except PeerError as error:
            parse_response_head(data, limits, dialect)  # knows what is wrong
            raise PeerError(str(error), 502) from error
        if type(event) not in (h11.Response, h11.InformationalResponse):
            raise PeerError("Malformed HTTP message", 502)
        if event.http_version[:2] != b"1.":
            parse_response_head(data, limits, dialect)  # refuses it
        line = ResponseStartLine(
            f"HTTP/{event.http_version.decode('ascii')}",
            event.status_code,
            event.reason.decode("latin-1"),
        )
        return judge_response(line, _headers(event.headers), dialect)

    def _open_body(self, head: ResponseHead) -> None:
        super()._open_body(head)
        if self._reader is not None and self._exchange is not None:
            self._reader = _by_h11(self._exchange, self._reader, self.limits, self.dialect)

    def body(self, chunk: Chunk) -> Chunk:
        if self._exchange is None:
            return super().body(chunk)
        if not self._chunking:
            chunk = super().body(chunk)
        return _body(self._exchange, chunk)

    def count_sent(self, count: int) -> None:
        super().count_sent(count)
        if self._exchange is not None and count:
            _send(self._exchange, h11.Data, data=_SentPast(count))

    def end(self, trailers: HTTPHeaders | None = None) -> bytes:
        chunked = self._chunking
        data = super().end(trailers)
        if self._exchange is None or self._exchange.our_state is not h11.SEND_BODY:
            return data
        return _end(self._exchange, trailers if chunked else None)


def _body(connection: h11.Connection, chunk: Chunk) -> Chunk:
    if not len(chunk):
        return b""
    pieces = _send(connection, h11.Data, data=chunk)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _end(connection: h11.Connection, trailers: HTTPHeaders | None) -> bytes:
    fields = [] if trailers is None else _fields(trailers)
    return b"".join(_send(connection, h11.EndOfMessage, headers=fields))
