"""One response being read: the head has arrived, the body comes in chunks.

Knows its connection and the owner that takes the connection back. A request that is redirected
makes several hops.
"""

from __future__ import annotations

from typing import Any, Protocol, final

from ..errors import PeerError, StreamClosedError
from ..net import Stream
from ..wire.events import EndOfMessage, ResponseHead
from ..wire.headers import HTTPHeaders
from .connection import Connection
from .deadlines import Deadlines
from .upload import Upload

# What is left of a body when a hop is closed early is read if it is no more than this and
# here already: cheaper than a new connection. Anything longer: the connection is closed.
_FINISH_UP_TO = 64 * 1024


class Owner(Protocol):
    """The owner of the connection, which lent it."""

    def give_back(self, connection: Connection) -> None:
        """Take the connection back; it may be reusable."""
        ...

    def discard(self, connection: Connection) -> None:
        """Close it."""
        ...

    def detached(self, connection: Connection) -> None:
        """Its stream has a new owner."""
        ...


@final
class Hop:
    """A response. Exactly one of reading to the end, `close` and `detach` ends it."""

    __slots__ = ("_owner", "_upload", "connection", "deadlines", "head")

    def __init__(
        self,
        owner: Owner,
        connection: Connection,
        head: ResponseHead,
        deadlines: Deadlines,
        upload: Upload | None,
    ) -> None:
        self._owner: Owner | None = owner
        self._upload = upload
        self.connection = connection
        self.head = head
        self.deadlines = deadlines

    def __repr__(self) -> str:
        return f"<Hop {self.head.start_line.code} {'over' if self.over else 'open'}>"

    @property
    def over(self) -> bool:
        """The connection has been given back or closed."""
        return self._owner is None

    @property
    def trailers(self) -> HTTPHeaders | None:
        """Fields that followed a chunked body, once it is read."""
        return self.connection.trailers

    async def read_chunk(self) -> bytes:
        """Body bytes as they arrive; b"" at the end, and then the connection is given back.

        Raises: `ConnectionLost`, `ResponseError`, `BodyTooLarge`, `RequestTimeout`; what
          the request's body producer raised. The connection is then closed.
        Cancellation: nothing is lost; `close` when done.
        """
        if self._owner is None:
            return b""
        try:
            chunk = await self.connection.read_chunk(self.deadlines)
        except Exception as error:
            upload = self._upload
            self._abandon()
            if upload is not None and upload.error is not None:
                raise upload.error from error
            raise
        if not chunk:
            self._finish()
        return chunk

    def close(self) -> None:
        """End it now. Does not wait and never raises; idempotent."""
        if self._owner is None:
            return
        try:
            finished = self._read_rest_nowait()
        except (PeerError, StreamClosedError):
            finished = False  # the response is broken, and no longer wanted
        if finished:
            self._finish()
        else:
            self._abandon()

    def detach(self) -> Stream:
        """Take the stream, with the bytes that followed the head; for upgrades."""
        assert self._owner is not None
        owner, self._owner = self._owner, None
        stream = self.connection.stream
        stream.unread(self.connection.wire.take_rest())
        owner.detached(self.connection)
        return stream

    def _finish(self) -> None:
        assert self._owner is not None
        owner, self._owner = self._owner, None
        upload = self._upload
        if upload is not None and not upload.done:
            # Answered before the request was complete: what is still being sent would be
            # taken for the next request.
            upload.cancel()
            owner.discard(self.connection)
        else:
            owner.give_back(self.connection)

    def _abandon(self) -> None:
        assert self._owner is not None
        owner, self._owner = self._owner, None
        if self._upload is not None:
            self._upload.cancel()
        owner.discard(self.connection)

    def _read_rest_nowait(self) -> bool:
        wire: Any = self.connection.wire
        left = _FINISH_UP_TO
        while left > 0:
            event = wire.next_event()
            if type(event) is bytes:
                left -= len(event)
            elif type(event) is EndOfMessage:
                return True
            else:
                data = self.connection.stream.read_nowait()
                if not data:
                    return False
                wire.feed(data)
        return False
