"""HTTP/1.1 without I/O: bytes in, events out; heads and bodies in, bytes out.

Knows heads, bodies and their writing. Must not know trio, streams or the application.
A second engine (`h11_engine`) offers the same methods and events: it puts other functions for
`_parse` and `_encode`, and other readers of bodies (`engines` chooses).

A message goes through these states, on the receiving side of either role:

    state   next_event() gives            then
    HEAD    NEED_DATA, CLOSED or a head   BODY; after an informational head: HEAD
    BODY    NEED_DATA or bytes, at last   DONE
            EndOfMessage
    DONE    PAUSED                        next_cycle(): HEAD
    ERROR   the same error again          (nothing more on this connection is processed,
                                          CVE-2024-49768)
    SWITCHED  SWITCHED; take_rest() has the bytes that came after the last message
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from ..errors import HTTPOutputError, PeerError
from ..limits import RESPONSES, STRICT, Dialect, Limits
from .bodies import BodyReader, ChunkedReader, EofReader, LengthReader, too_long
from .events import ClientEvent, RequestHead, ResponseHead, ServerEvent, Signal
from .headers import HTTPHeaders
from .heads import parse_response_head
from .repeated import HeadMemory
from .wire import BODY, DONE, HEAD, SWITCHED, Wire, end_of_head
from .writing import request_line, status_line

__all__ = ["ClientWire", "ServerWire"]

_MAX_INFORMATIONAL = 32
_NO_BODY_CODES = frozenset((204, 304))
_NEED_DATA = Signal.NEED_DATA
# Of a response without a request: to what came in the place of one.
_NO_LINE = ("", "", "HTTP/1.0")


class ServerWire(Wire):
    """The server's side of one connection.

    Attributes:
      head: of the request being answered.
      close_after: the connection ends with this response (see `end_after_response`).

    Args:
      firsts: what the first heads of other connections were (see `HeadMemory`).
    """

    __slots__ = ("_parse", "close_after", "head", "responded")

    def __init__(
        self, limits: Limits, dialect: Dialect = STRICT, firsts: HeadMemory | None = None
    ) -> None:
        super().__init__(limits, dialect)
        self._parse: Callable[[bytes, Limits, Dialect], RequestHead] = HeadMemory(firsts).parse
        self.head: RequestHead | None = None
        self.close_after = False
        self.responded = False

    def _fail(self, error: PeerError) -> NoReturn:
        # Any response to it, from the application or the server, has to announce the close.
        self.close_after = True
        super()._fail(error)

    def next_event(self) -> ServerEvent:
        """The next thing the client sent. Raises `PeerError`, again and again."""
        state = self._state
        if state == HEAD:
            return self._next_head()
        if state == BODY:
            self.body_reader()
            return self._read_body()
        if state == DONE:
            return Signal.PAUSED
        if state == SWITCHED:
            return Signal.SWITCHED
        assert self._error is not None
        raise self._error

    def receive(self, data: bytes) -> ServerEvent:
        """`feed`, and the next event. What comes between two messages is most often a head, whole
        and alone: then no buffer sees it."""
        if self._state == HEAD and data and data[0] > 13 and not self._buffer:
            if self.dialect.bare_lf:
                end = end_of_head(data, self.dialect)
            else:
                end = data.find(b"\r\n\r\n") + 4
            if 4 <= end <= self.limits.max_head_size:
                if end < len(data):
                    self._buffer += data[end:]
                    data = data[:end]
                return self._head(data)
        self.feed(data)
        return self.next_event()

    def _next_head(self) -> ServerEvent:
        buffer = self._buffer
        if buffer and buffer[0] < 14 and not self._skip_empty_lines():
            data = None
        else:
            data = self._take_head() if buffer else None
        if data is None:
            if not self.eof:
                if buffer and (buffer[0] < 0x21 and buffer[0] != 13 or buffer[0] > 0x7E):
                    # A TLS handshake on a plain port, or garbage: do not wait for its end.
                    self._fail(PeerError("Malformed HTTP request line: not HTTP"))
                return _NEED_DATA
            if buffer:
                self._fail(PeerError("Connection closed while reading head"))
            return Signal.CLOSED
        return self._head(data)

    def _head(self, data: bytes) -> RequestHead:
        try:
            head = self._parse(data, self.limits, self.dialect)
        except PeerError as exc:
            self._fail(exc)
        self.head = head
        if not head.keep_alive:
            self.close_after = True
        self._state = BODY
        return head

    def _open_body(self, head: RequestHead) -> None:
        """Choose the reader, when the body is first asked for: by then the program had
        its chance to set `max_body_size`."""
        if head.chunked:
            self._reader = ChunkedReader(self.max_body_size, self.limits)
        elif head.content_length:
            if head.content_length > self.max_body_size:
                self._fail(too_long(head.content_length, self.max_body_size))
            self._reader = LengthReader(head.content_length)

    def body_reader(self) -> BodyReader | None:
        if self._reader is None and self.head is not None:
            self._open_body(self.head)
        return self._reader

    @property
    def body_unread(self) -> bool:
        """The request's body was not read to its end."""
        if self._state != BODY:
            return False
        head = self.head
        return self._reader is not None or (
            head is not None and (head.chunked or bool(head.content_length))
        )

    def skip_body(self) -> bool:
        """Nothing of the request is left to read; true also of a request without body."""
        state = self._state
        if state == BODY and self._reader is None:
            head = self.head
            if head is None or not (head.chunked or head.content_length):
                self._state = state = DONE
        return state == DONE

    def response_head(self, code: int, reason: str, headers: HTTPHeaders) -> bytes:
        """The response head; adds what framing and persistence need to `headers`.

        Framing is decided here (RFC 9112 6): a Transfer-Encoding set by the program is dropped, as
        programs that forward another server's fields set it. Of 1xx codes only 101 ends the
        request's dialogue. Raises `HTTPOutputError`; then another head may be given instead.
        """
        head = self.head
        method, _, version = _NO_LINE if head is None else head.start_line
        first = status_line(code, reason)
        fields = headers._fields
        if "Transfer-Encoding" in fields:
            self._drop_coding(code, headers)
        if code < 200:
            fields.pop("Content-Length", None)  # RFC 9110 8.6
            if version == "HTTP/1.0":
                return b""  # RFC 9110 15.2: never to an HTTP/1.0 client
            if code == 101:
                self.responded = True
            return self._encode(first, headers)
        if self.responded:
            raise HTTPOutputError("Response head already sent")
        tunnel = method == "CONNECT" and code < 300
        if code == 204 or tunnel:
            # RFC 9110 8.6, 9.3.6: no framing at all may stand there.
            fields.pop("Content-Length", None)
        if tunnel:
            # What follows is not a body, and nothing follows the tunnel.
            data = self._encode(first, headers)
            self.responded = self.close_after = True
            return data
        length: object = fields.get("Content-Length")
        if type(length) is str and length.isdigit() and length.isascii():
            self._body_remaining = int(length)
            framed = True
        else:
            framed = self._frame(headers)
        if method == "HEAD":
            self._suppress_body = True
            self._body_remaining = None
        elif code in _NO_BODY_CODES:
            self._body_remaining = 0
        elif not framed:
            if version == "HTTP/1.1":
                fields["Transfer-Encoding"] = "chunked"
                self._chunking = True
            else:
                self.close_after = True
        if "Connection" in fields or self.close_after or version == "HTTP/1.0":
            self._say_persistence(headers, headers.get("Connection"), version)
        try:
            data = self._encode(first, headers)
        except HTTPOutputError:
            self.retract_head()
            raise
        self.responded = True
        return data

    def _drop_coding(self, code: int, headers: HTTPHeaders) -> None:
        """Framing is ours; but see `Dialect.coding_beside_length`."""
        line = None if self.head is None else self.head.start_line
        beside = self.dialect.coding_beside_length and "Content-Length" in headers
        if beside and line is not None and code >= 200 and code not in _NO_BODY_CODES:
            if line.version == "HTTP/1.1" and line.method not in ("HEAD", "CONNECT"):
                return
        del headers["Transfer-Encoding"]

    def _say_persistence(self, headers: HTTPHeaders, connection: str | None, version: str) -> None:
        """The Connection field: the program's, with what the client must know besides."""
        if connection is None and self.close_after:
            if version == "HTTP/1.1":
                headers._fields["Connection"] = "close"
            return
        options = [] if connection is None else [o.strip(" \t") for o in connection.split(",")]
        if any(option.lower() == "close" for option in options):
            self.close_after = True
        elif self.close_after:
            if version == "HTTP/1.1" or connection is not None:
                kept = [o for o in options if o and o.lower() != "keep-alive"]
                headers["Connection"] = ", ".join([*kept, "close"])
        elif version == "HTTP/1.0" and connection is None:
            # RFC 9112 C.2.2: such a client expects the end unless told. h11 would close.
            headers["Connection"] = "Keep-Alive"

    def retract_head(self) -> None:
        """The head that was made is not sent after all: another one may be."""
        self.responded = self._chunking = self._suppress_body = False
        self._body_remaining = None

    def end_after_response(self) -> None:
        """The connection ends with this response; said in its head, if that is not sent yet."""
        self.close_after = True

    @property
    def ends_by_closing(self) -> bool:
        """The body being sent has neither length nor chunks: the close alone is its end."""
        return (
            self.responded
            and not (self._chunking or self._suppress_body)
            and self._body_remaining is None
        )

    def give_back(self) -> bytes:
        if self._buffer and self._state == DONE and self._ends_alone():
            self.close_after = True
        return super().give_back()

    def _ends_alone(self) -> bool:
        """A chunked body from a 1.0 client (`Dialect.chunked_http10`): a proxy that forwarded it
        may have seen another end, so bytes that came with it are not taken for a request."""
        head = self.head
        return bool(head and head.chunked and head.start_line.version == "HTTP/1.0")

    def raw_response(self) -> None:
        """The program writes its own head, as bytes of the body: unchecked."""
        self.responded = True

    def next_cycle(self) -> bool:
        """Proceed to the next request, if this connection may have one."""
        if self._state != DONE or self.close_after:
            return False
        if self._buffer and self._ends_alone():
            return False  # clients of 1.0 wait for their answer
        self._state = HEAD
        self.head = None
        self.responded = False
        self._empty_lines = 0
        self._chunking = self._suppress_body = False
        self._body_remaining = None
        self.max_body_size = self.limits.max_body_size
        return True


class ClientWire(Wire):
    """The client's side of one connection.

    Attributes:
      keep_alive: another request may follow (meaningful once the response ended).
      head: the last response head.
    """

    __slots__ = (
        "_informational",
        "_method",
        "_no_body",
        "_parse",
        "_upgrading",
        "head",
        "keep_alive",
    )

    def __init__(self, limits: Limits, dialect: Dialect = RESPONSES) -> None:
        super().__init__(limits, dialect)
        self._parse: Callable[[bytes, Limits, Dialect], ResponseHead] = parse_response_head
        self._method = ""
        self._upgrading = False
        self._no_body = False
        self._informational = 0
        self.head: ResponseHead | None = None
        self.keep_alive = True

    def request_head(self, method: str, target: str, headers: HTTPHeaders) -> bytes:
        """The request head. Framing is the caller's: Content-Length, or
        "Transfer-Encoding: chunked" (then `body` and `end` do the chunking), or no body."""
        self._method = method
        self._upgrading = "Upgrade" in headers
        self._body_remaining = None
        framed = self._frame(headers)
        self._chunking = framed and self._body_remaining is None
        if self._chunking and headers["Transfer-Encoding"].lower() != "chunked":
            raise HTTPOutputError("Only Transfer-Encoding: chunked can be sent")
        if self._chunking is False and self._body_remaining is None:
            self._body_remaining = 0
        if "close" in headers.get("Connection", "").lower():
            self.keep_alive = False
        return self._encode(request_line(method, target), headers)

    def next_event(self) -> ClientEvent:
        """The next thing the server sent. Raises `PeerError`, again and again."""
        state = self._state
        if state == BODY:
            if self._reader is None:
                self.body_reader()
            return self._read_body()
        if state == HEAD:
            buffer = self._buffer
            if buffer and buffer[0] < 14 and not self._skip_empty_lines():
                data = None
            else:
                data = self._take_head() if buffer else None
            if data is not None:
                return self._response(data)
            if not self.eof:
                return _NEED_DATA
            if self._buffer:
                self._fail(PeerError("Connection closed while reading head", 502))
            return Signal.CLOSED
        if state == DONE:
            return Signal.PAUSED
        if state == SWITCHED:
            return Signal.SWITCHED
        assert self._error is not None
        raise self._error

    def _response(self, data: bytes) -> ResponseHead:
        try:
            head = self._parse(data, self.limits, self.dialect)
        except PeerError as exc:
            self._fail(exc)
        code = head.start_line.code
        if code == 101 and not self._upgrading:
            self._fail(PeerError("101 Switching Protocols, but no upgrade was asked for", 502))
        self.head = head
        if code < 200 and code != 101:
            self._informational += 1
            if self._informational > _MAX_INFORMATIONAL:
                self._fail(PeerError("Too many 1xx responses", 502))
            return head
        if not head.keep_alive:
            self.keep_alive = False
        if code == 101 or (self._method == "CONNECT" and code < 300):
            self._state = SWITCHED
            return head
        self._state = BODY
        self._no_body = self._method == "HEAD" or code in _NO_BODY_CODES
        if self._no_body:
            # RFC 9112 6.3: it ends here, whatever its fields say. A server that announces a
            # body with 204 may send one, too: nothing more is read from it.
            if code == 204 and (head.chunked or head.content_length):
                self.keep_alive = False
        elif not head.chunked and head.content_length is None:
            self.keep_alive = False  # it ends with the connection
        return head

    def _open_body(self, head: ResponseHead) -> None:
        """As a server's: chosen when the body is first asked for."""
        if head.chunked:
            self._reader = ChunkedReader(self.max_body_size, self.limits, self.dialect)
        elif head.content_length is not None:
            if head.content_length > self.max_body_size:
                self._fail(too_long(head.content_length, self.max_body_size))
            self._reader = LengthReader(head.content_length)
        else:
            self._reader = EofReader(self.max_body_size)

    def body_reader(self) -> BodyReader | None:
        if self._reader is None and self._state == BODY and not self._no_body:
            assert self.head is not None
            self._open_body(self.head)
        return self._reader

    def next_cycle(self, *, pipelined: bool = False) -> bool:
        """Make ready for another request, if the connection may carry one.

        Unsolicited bytes end it, unless they answer a `pipelined` request.
        """
        if self._state != DONE or not self.keep_alive:
            return False
        if (self._buffer or self.eof) and not pipelined:
            return False
        self._state = HEAD
        self._empty_lines = 0
        self._informational = 0
        self.head = None
        self._chunking = False
        self._body_remaining = None
        self.max_body_size = self.limits.max_body_size
        return True
