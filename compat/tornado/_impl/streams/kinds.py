"""`IOStream`, `SSLIOStream` and `PipeIOStream`: what `BaseIOStream` is made of.

Knows sockets, ssl and pipes. The reading and writing itself is in `base`.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import socket
import ssl
from typing import Any

from tornado._impl.legacy import streams as legacy_streams
from tornado._impl.names import shown_in
from tornado._impl.streams.base import BaseIOStream
from tornado._impl.streams.errors import StreamClosedError
from tornado.concurrent import Future
from tornado.ioloop import IOLoop
from tornado.log import gen_log
from tornado.netutil import _ssl_defaults, ssl_options_to_context, ssl_wrap_socket

from tornado_trio._util.system import read_into, unblock
from tornado_trio.net.handshake import Wants, step_handshake


class IOStream(BaseIOStream):
    """A stream over a TCP or Unix socket, connected already or by `connect`.

    The stream owns the socket. `socket` is None once the stream is closed, or has given it
    away: programs ask for that.
    """

    def __init__(self, socket: socket.socket, *args: Any, **kwargs: Any) -> None:
        self.socket: Any = socket
        self.socket.setblocking(False)
        super().__init__(*args, **kwargs)

    def fileno(self) -> Any:
        """The socket itself, whose methods programs call; None when the stream is closed."""
        return self.socket

    def _fd_owner(self) -> Any:
        # The object, not its number: a number closed behind a socket's back is closed
        # again with the socket, when its number may be in use again.
        return self.socket

    def close_fd(self) -> None:
        """Close the socket."""
        sock, self.socket = self.socket, None
        sock.close()

    def get_fd_error(self) -> Exception | None:
        """The socket's pending error."""
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return OSError(code, os.strerror(code))

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Receive into `buf`."""
        try:
            return self.socket.recv_into(buf)  # type: ignore[no-any-return]
        except BlockingIOError:
            return None

    def write_to_fd(self, data: memoryview) -> int | None:
        """Send some of `data`."""
        try:
            return self.socket.send(data)  # type: ignore[no-any-return]
        except BlockingIOError:
            return None

    @legacy_streams.with_callback("server_hostname", result=False, failure="Connect error")
    def connect(self, address: Any, server_hostname: str | None = None) -> Future:
        """Connect without blocking; a Future of the stream.

        `address` is what the socket wants; a host name in it is looked up while the loop
        waits (see `TCPClient`). Writing may begin at once. `server_hostname` is for
        `SSLIOStream`. Fails with `StreamClosedError`; its `real_error` says why.
        """
        self._check_closed()
        future = Future()
        self._connecting = True
        self._connect_future = future
        try:
            self.socket.connect(address)
        except BlockingIOError:
            pass  # it is under way
        except OSError as exc:
            self.close(exc_info=exc)
            return future
        self._listen()
        return future

    def _handle_connect(self) -> None:
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self.close(exc_info=OSError(code, os.strerror(code)))
            return
        self._connecting = False
        future, self._connect_future = self._connect_future, None
        if future is not None and not future.done():
            future.set_result(self)
        if self._write_buffer:
            self._handle_write()

    def start_tls(
        self,
        server_side: bool,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> Future:
        """Go on encrypted; a Future of the `SSLIOStream` that replaces this stream.

        Nothing may be pending or buffered. With `ssl_options` None the system's authorities
        are trusted. Cancelling the Future closes the connection.
        """
        if (
            self._closed
            or self._connecting
            or self._read_future is not None
            or self._write_futures
            or self._received
            or self._write_buffer
        ):
            # Bytes that came in the clear must not be taken for protected ones.
            raise ValueError("IOStream is not idle; cannot convert to SSL")
        if ssl_options is None:
            ssl_options = _ssl_defaults(server_side)
        # Options that are of no use leave this stream as it is.
        context = ssl_options_to_context(ssl_options, server_side=server_side)
        plain = self._give_away()
        try:
            wrapped = ssl_wrap_socket(
                plain,
                context,
                server_hostname=server_hostname,
                server_side=server_side,
                do_handshake_on_connect=False,
            )
        except BaseException:
            plain.close()
            raise
        stream = SSLIOStream(
            wrapped,
            ssl_options=ssl_options,
            max_buffer_size=self.max_buffer_size,
            read_chunk_size=self.read_chunk_size,
            max_write_buffer_size=self.max_write_buffer_size,
        )
        stream._server_hostname = server_hostname
        return stream._replace(self._close_callback)

    def _give_away(self) -> socket.socket:
        """The socket, for another stream; this one is closed without closing it."""
        self._closed = True
        sock = self._unwatched()
        self.socket = None
        return sock

    def _unwatched(self) -> socket.socket:
        """The socket, which the loop no longer knows."""
        self._watch.remove()
        sock: socket.socket = self.socket
        return sock

    def set_nodelay(self, value: bool) -> None:
        """Switch Nagle's algorithm off (True) or on."""
        if self.socket is not None and self.socket.family in (socket.AF_INET, socket.AF_INET6):
            # Some systems refuse it on a connection the peer has reset; reading will tell.
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(value))


class SSLIOStream(IOStream):
    """A stream over a TLS socket.

    Either over an `ssl.SSLSocket` that is connected and was wrapped with
    `do_handshake_on_connect=False`, or over a plain one to be connected by `connect`. The
    handshake is made by itself; what is written meanwhile waits for it.
    """

    _partial_means_full = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """`ssl_options`: an `ssl.SSLContext`, or a dict (see `ssl_options_to_context`)."""
        self._ssl_options = kwargs.pop("ssl_options", None) or _ssl_defaults(False)
        super().__init__(*args, **kwargs)
        self._handshaking = True
        self._handshake_wants = 0
        self._server_hostname: str | None = None
        self._ssl_connect_future: Future | None = None
        self._handshake_future: Future | None = None
        try:
            self.socket.getpeername()
        except OSError:
            pass  # not connected yet
        else:
            if isinstance(self.socket, ssl.SSLSocket) and self.socket.version() is not None:
                # The handshake was made before the socket came to us (a detached stream).
                self._handshaking = False
                return
            # On the loop's next turn, so that the caller can set callbacks before.
            self._handshake_wants = IOLoop.WRITE
            self._listen()

    @legacy_streams.with_callback("server_hostname", result=False, failure="Connect error")
    def connect(self, address: Any, server_hostname: str | None = None) -> Future:
        """Connect and make the handshake; a Future of the stream.

        The certificate must be valid for `server_hostname` (unless the options say
        otherwise); it is also sent to the server as the name wanted. Fails with the error
        itself, for example `ssl.SSLCertVerificationError`.
        """
        if self._ssl_connect_future is not None:
            raise RuntimeError("Already connecting")
        self._server_hostname = server_hostname
        future = self._ssl_connect_future = Future()
        super().connect(address)
        return future

    @legacy_streams.with_callback(leading=0, result=False)
    def wait_for_handshake(self) -> Future:
        """A Future of the stream, when the handshake is made.

        Needed only to look at its results (the peer's certificate, the protocol chosen)
        before anything is read.
        """
        if self._handshake_future is not None:
            raise RuntimeError("Already waiting")
        future = Future()
        if not self._handshaking:
            future.set_result(self)
        elif self._closed:
            self._fail(future, StreamClosedError(real_error=self.error))
        else:
            self._handshake_future = future
        return future

    # --- the handshake ---------------------------------------------------------------

    def reading(self) -> bool:
        """Whether a read is pending, or the handshake waits for the peer."""
        return bool(self._handshake_wants & IOLoop.READ) or super().reading()

    def writing(self) -> bool:
        """Whether bytes wait to be sent, or the handshake has some."""
        return bool(self._handshake_wants & IOLoop.WRITE) or super().writing()

    def _wanted_events(self) -> int:
        if self._handshaking and not self._connecting:
            # What the program reads and writes has to wait, and waiting for it would spin.
            return self._handshake_wants
        return super()._wanted_events()

    def _handle_connect(self) -> None:
        super()._handle_connect()
        if self._closed:
            return
        try:
            plain = self._unwatched()
            self.socket = ssl_wrap_socket(
                plain,
                self._ssl_options,
                server_hostname=self._server_hostname,
                server_side=False,
                do_handshake_on_connect=False,
            )
        except (ValueError, OSError) as exc:  # for example: no host name to be checked
            self.close(exc_info=exc)
            return
        self._do_ssl_handshake()

    def _handle_read(self) -> None:
        if self._handshaking:
            self._do_ssl_handshake()
        else:
            super()._handle_read()

    def _handle_write(self) -> None:
        if not self._handshaking:
            super()._handle_write()
        elif not self._connecting and isinstance(self.socket, ssl.SSLSocket):
            self._do_ssl_handshake()

    def _do_ssl_handshake(self) -> None:
        """A step of the handshake; after the last one, what was waiting for it.

        Programs call it, too, to begin before the loop's next turn.
        """
        if not self._handshaking:
            return
        self._handshake_wants = 0
        try:
            wants = step_handshake(self.socket)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as exc:
            self.close(exc_info=exc)  # port scanners do this all day long: not logged
        except ssl.SSLError as exc:
            gen_log.warning("SSL Error on %s %s: %s", self.fileno(), self._peer(), exc)
            self.close(exc_info=exc)
        except OSError as exc:
            self.close(exc_info=exc)
        else:
            if wants is not None:
                self._handshake_wants = IOLoop.READ if wants is Wants.READ else IOLoop.WRITE
                self._listen()
                return
            self._handshaking = False
            self._tell_connected()
            if self._write_buffer:
                super()._handle_write()
            if not self._closed and self._read_future is not None:
                super()._handle_read()

    def _peer(self) -> Any:
        try:
            return self.socket.getpeername()
        except OSError:
            return "(not connected)"

    def _tell_connected(self) -> None:
        for future in (self._ssl_connect_future, self._handshake_future):
            if future is not None and not future.done():
                future.set_result(self)
        self._ssl_connect_future = self._handshake_future = None

    def _pending_futures(self) -> list[Future]:
        if self._ssl_connect_future is not None:
            # The error itself, and not only that the stream is closed: a certificate that
            # is refused must be distinguished from a server that is down.
            future, self._ssl_connect_future = self._ssl_connect_future, None
            self._fail(future, self.error or StreamClosedError())
        futures = super()._pending_futures()
        if self._handshake_future is not None:
            futures.append(self._handshake_future)
            self._handshake_future = None
        return futures

    def _replace(self, close_callback: Any) -> Future:
        """This stream, once its handshake is made, in a Future. See `start_tls`."""
        future = Future()

        def closed() -> None:
            self._fail(future, self.error or StreamClosedError())
            if close_callback is not None:
                close_callback()

        def shaken(handshake: Any) -> None:
            if handshake.exception() is None and not future.done():
                self.set_close_callback(close_callback)
                future.set_result(self)

        def abandoned(future: Any) -> None:
            if future.cancelled():
                self.close()

        self.set_close_callback(closed)
        self.wait_for_handshake().add_done_callback(shaken)
        future.add_done_callback(abandoned)
        return future

    # --- the descriptor --------------------------------------------------------------

    def _is_peer_gone(self, exc: BaseException) -> bool:
        return isinstance(exc, ssl.SSLEOFError) or super()._is_peer_gone(exc)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Receive and decrypt into `buf`."""
        if self._handshaking:
            return None
        try:
            return self.socket.recv_into(buf)  # type: ignore[no-any-return]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            # Wanting to write here is a key update's answer, which OpenSSL sends along
            # with the next write.
            return None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return 0

    def write_to_fd(self, data: memoryview) -> int | None:
        """Encrypt and send some of `data`."""
        if self._handshaking:
            return None
        try:
            return self.socket.send(data)  # type: ignore[no-any-return]
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return None


class PipeIOStream(BaseIOStream):
    """A stream over a pipe's descriptor (any that can be waited for); owns it.

    One end reads or writes, not both.
    """

    def __init__(self, fd: int, *args: Any, **kwargs: Any) -> None:
        self.fd = fd
        # Owns the descriptor, so that a forgotten stream does not leak it.
        self._file = io.FileIO(fd, "r+")
        unblock(fd)
        super().__init__(*args, **kwargs)

    def fileno(self) -> int:
        """The descriptor."""
        return self.fd

    def close_fd(self) -> None:
        """Close it."""
        self._file.close()

    def write_to_fd(self, data: memoryview) -> int | None:
        """Write some of `data`."""
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return None

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read into `buf`."""
        try:
            return read_into(self.fd, buf)
        except BlockingIOError:
            return None
        except OSError as exc:
            if exc.errno != errno.EBADF:
                raise
            # What reading the writing end says. It is read when the reader has left (the
            # child has closed its stdin): an end like any other, nothing to be logged.
            self.close(exc_info=exc)
            return None


shown_in("tornado.iostream", IOStream, PipeIOStream, SSLIOStream)
