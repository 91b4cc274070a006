"""TLS over a socket: the stdlib's non-blocking `SSLSocket` as a `Stream`; handshakes.

Knows ssl and `SocketStream`. Must not know HTTP. Contexts are made in `tls_contexts`.
"""

from __future__ import annotations

import socket as _socket
import ssl
from collections.abc import Awaitable
from typing import IO, Any

import trio

from ..errors import DeadlineError, StreamClosedError
from .buffers import Data
from .connect import HAPPY_EYEBALLS_DELAY, Resolve, open_tcp_stream, resolve
from .handshake import Wants, step_handshake
from .socket_stream import SocketStream
from .stream import CHUNK, Stream

#: Seconds a peer may take for its handshake. A server without a bound can be filled with
#: connections that never speak.
HANDSHAKE_TIMEOUT = 60.0
_BUSY_PAUSE = 0.01


class TlsStream(SocketStream):
    """An encrypted stream. Made by `start_tls`, `open_tls_stream` or `ServerTls.accept`."""

    __slots__ = ("_recv_wants_write", "_send_wants_read")

    _sock: ssl.SSLSocket

    def __init__(
        self, sock: ssl.SSLSocket, *, local_address: Any = None, remote_address: Any = None
    ) -> None:
        super().__init__(sock, local_address=local_address, remote_address=remote_address)
        self.tls = True
        # OpenSSL may need the other direction to get on: a key update, a renegotiation.
        self._recv_wants_write = False
        self._send_wants_read = False

    # --- results of the handshake --------------------------------------------------

    def peer_certificate(self, binary_form: bool = False) -> Any:
        return self._sock.getpeercert(binary_form)

    @property
    def alpn_protocol(self) -> str | None:
        """The application protocol both sides agreed on."""
        return self._sock.selected_alpn_protocol()

    @property
    def tls_version(self) -> str | None:
        """For example "TLSv1.3"."""
        return self._sock.version()

    @property
    def cipher(self) -> tuple[str, str, int] | None:
        """Name, protocol and secret bits."""
        return self._sock.cipher()

    @property
    def server_name(self) -> str | None:
        """The host name the client asked for (SNI)."""
        if self._sock.server_side:
            return getattr(self._sock, "asked_server_name", None)
        return self._sock.server_hostname

    # --- the primitives ------------------------------------------------------------

    read_nowait = Stream.read_nowait
    write = Stream.write
    write_more = Stream.write_more
    push = Stream.push
    sendfile_nowait = Stream.sendfile_nowait

    def _recv(self, max_bytes: int) -> bytes | None:
        self._recv_wants_write = False
        try:
            return self._sock.recv(max_bytes)
        except ssl.SSLWantReadError:
            if self.waiter is not None:
                self.waiter.doubt = False  # OpenSSL has asked the socket, and it had nothing
            return None
        except ssl.SSLZeroReturnError:
            return b""  # the end, when our own close_notify has been sent before
        except ssl.SSLWantWriteError:
            self._recv_wants_write = True
            return None

    def _recv_into(self, target: memoryview) -> int | None:
        self._recv_wants_write = False
        try:
            return self._sock.recv_into(target)
        except ssl.SSLWantReadError:
            if self.waiter is not None:
                self.waiter.doubt = False  # OpenSSL has asked the socket, and it had nothing
            return None
        except ssl.SSLZeroReturnError:
            return 0
        except ssl.SSLWantWriteError:
            self._recv_wants_write = True
            return None

    def _send(self, data: Data) -> int:
        if not len(data):
            return 0  # OpenSSL calls an empty write an error
        self._send_wants_read = False
        try:
            return self._sock.send(data)
        except ssl.SSLWantWriteError:
            return 0
        except ssl.SSLWantReadError:
            self._send_wants_read = True
            return 0

    def readable(self) -> Awaitable[None]:
        return self.wait_readable()

    async def wait_readable(self) -> None:
        # Readable ciphertext need not hold any plaintext (session tickets, half a record),
        # so look: what is found waits in the buffer.
        while not self._in and not self.closed:
            try:
                data = self._recv(CHUNK)
            except OSError as exc:
                raise self._read_broke(exc) from exc
            if data is None:
                await self._wait(self._wait_recv)
            elif data:
                self._in.append(data)
            else:
                break
        await super().wait_readable() if self.closed else await trio.lowlevel.checkpoint()

    async def _wait_recv(self) -> None:
        self._waited = True
        if self._recv_wants_write:
            await self._wait_shared(trio.lowlevel.wait_writable)
        elif self._sock.pending():
            await trio.lowlevel.checkpoint()
        elif self.waiter is not None:
            await self.waiter
        else:
            await trio.lowlevel.wait_readable(self._fd)

    async def _wait_send(self) -> None:
        self._waited = True
        if self._send_wants_read:
            await self._wait_shared(trio.lowlevel.wait_readable)
        else:
            await trio.lowlevel.wait_writable(self._fd)

    async def _wait_shared(self, wait: Any) -> None:
        try:
            await wait(self._fd)
        except trio.BusyResourceError:
            # The task of the other direction waits for the same thing already, and trio
            # allows one. This is rare enough to look again a little later.
            await trio.sleep(_BUSY_PAUSE)

    async def handshake(self) -> None:
        """Errors: ssl.SSLError (ssl.SSLCertVerificationError: the peer's certificate is
        refused); StreamClosedError: the peer went away."""
        while True:
            try:
                wants = step_handshake(self._sock)
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as exc:
                raise StreamClosedError("the peer left during the TLS handshake") from exc
            except ssl.SSLError:
                raise
            except OSError as exc:
                raise self._read_broke(exc) from exc
            if wants is None:
                return
            await self._wait(self._wait_recv if wants is Wants.READ else self._wait_send)

    async def send_eof(self) -> None:
        await self.drain()
        self._say_goodbye()

    async def sendfile(self, file: IO[bytes] | int, offset: int, count: int) -> None:
        await Stream.sendfile(self, file, offset, count)

    def _close(self) -> None:
        if self._write_error is None and self._fd >= 0:
            self._say_goodbye()
        super()._close()

    def _say_goodbye(self) -> None:
        """Send close_notify if the kernel has room, without waiting for the peer's."""
        try:
            self._sock.unwrap()
        except (OSError, ValueError):
            # WANT_READ: ours is sent, the peer's is not here yet. Anything else: the
            # connection is in no state for good manners, and is being closed anyway.
            pass


async def start_tls(
    stream: SocketStream,
    context: ssl.SSLContext,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    handshake_timeout: float = HANDSHAKE_TIMEOUT,
) -> TlsStream:
    """Turn a plain stream into an encrypted one; the plain one must not be used any more.

    Raises:
      RuntimeError: plain bytes are still buffered. In a protocol like STARTTLS they would be taken
        for encrypted ones.
      DeadlineError: the handshake took more than `handshake_timeout` seconds.
      ssl.SSLError, StreamClosedError: see `TlsStream.handshake`. The socket is then closed.
    Cancellation: the socket is closed.
    """
    await stream.drain()
    plain = stream.detach()
    encrypted: TlsStream | None = None
    try:
        wrapped = context.wrap_socket(
            plain,
            server_side=server_side,
            server_hostname=server_hostname,
            do_handshake_on_connect=False,
        )
        encrypted = TlsStream(
            wrapped, local_address=stream.local_address, remote_address=stream.remote_address
        )
        encrypted.nursery = stream.nursery
        encrypted.max_write_buffer_size = stream.max_write_buffer_size
        with trio.move_on_after(handshake_timeout) as scope:
            await encrypted.handshake()
            return encrypted
    except BaseException:
        _abandon(encrypted, plain)
        raise
    assert scope.cancelled_caught
    _abandon(encrypted, plain)
    raise DeadlineError(f"no TLS handshake within {handshake_timeout} s", "handshake")


def _abandon(encrypted: TlsStream | None, plain: _socket.socket) -> None:
    if encrypted is None:
        plain.close()
    else:
        encrypted._write_error = ConnectionAbortedError()  # no goodbye in a failed handshake
        encrypted.close()


async def open_tls_stream(
    host: str,
    port: int,
    context: ssl.SSLContext,
    *,
    server_hostname: str | None = None,
    source_address: tuple[str, int] | None = None,
    happy_eyeballs_delay: float = HAPPY_EYEBALLS_DELAY,
    resolver: Resolve = resolve,
    handshake_timeout: float = HANDSHAKE_TIMEOUT,
) -> TlsStream:
    """`open_tcp_stream`, then `start_tls` as a client. Errors of both."""
    stream = await open_tcp_stream(
        host,
        port,
        source_address=source_address,
        happy_eyeballs_delay=happy_eyeballs_delay,
        resolver=resolver,
    )
    return await start_tls(
        stream,
        context,
        server_hostname=server_hostname or host,
        handshake_timeout=handshake_timeout,
    )
