"""TLS over any `Stream`, through memory: for TLS inside TLS and in-memory networks.

Knows ssl and `Stream`. For sockets `net.tls` is faster.
"""

from __future__ import annotations

import ssl
from typing import Any, final

from ..errors import StreamClosedError
from ..net import Stream
from ..net.buffers import Data

_PIECE = 16 * 1024  # the largest TLS record


@final
class TlsLayer(Stream):
    """The client side of TLS over `lower`, which it owns."""

    __slots__ = ("_incoming", "_lower", "_object", "_outgoing")

    def __init__(self, lower: Stream, context: ssl.SSLContext, *, server_hostname: str) -> None:
        super().__init__(lower.local_address, lower.remote_address)
        self.tls = True
        self._lower = lower
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_hostname
        )

    def peer_certificate(self, binary_form: bool = False) -> Any:
        return self._object.getpeercert(binary_form)

    async def handshake(self) -> None:
        """Raises ssl.SSLError, `StreamClosedError`. Cancellation: close the stream."""
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await self._push()
                data = await self._lower.read_some()
                if not data:
                    raise StreamClosedError("the peer left during the TLS handshake") from None
                self._incoming.write(data)
            except ssl.SSLError:
                await self._push()  # the alert that tells the peer why
                raise
            else:
                await self._push()
                return

    async def _push(self) -> None:
        if self._outgoing.pending:
            await self._lower.send_all(self._outgoing.read())

    def _push_now(self) -> None:
        if self._outgoing.pending:
            self._lower.write(self._outgoing.read())

    # --- the primitives ------------------------------------------------------
    def _recv(self, max_bytes: int) -> bytes | None:
        while True:
            try:
                data = self._object.read(max_bytes)
                self._push_now()  # answers to key updates
                return data
            except ssl.SSLWantReadError:
                self._push_now()
                if not self._pull():
                    return None
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLEOFError as error:
                # Cut off without a goodbye: the bytes before it may not be all there were.
                raise ConnectionResetError(str(error)) from error

    def _pull(self) -> bool:
        data = self._lower.read_nowait()
        if data is None:
            return False
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return True

    def _send(self, data: Data) -> int:
        if self._lower.unsent and not self._lower.write(b""):
            return 0  # back pressure: what is encrypted already goes first
        sent = self._object.write(memoryview(data)[:_PIECE])
        self._push_now()
        return sent

    async def _wait_recv(self) -> None:
        await self._lower.wait_readable()

    async def _wait_send(self) -> None:
        await self._lower.drain()

    async def drain(self) -> None:
        await super().drain()
        await self._lower.drain()

    def _close(self) -> None:
        try:
            self._object.unwrap()
        except ssl.SSLError:
            pass  # the peer's goodbye is not waited for; ours is in `_outgoing` now
        try:
            self._push_now()
        except StreamClosedError:
            pass  # the connection is already broken: no close_notify can be sent
        self._lower.close()

    async def send_eof(self) -> None:
        await self.drain()
        try:
            self._object.unwrap()
        except ssl.SSLWantReadError:
            pass  # as in `_close`
        await self._push()
