"""`tornado.iostream`: what upstream's own suite does not ask for."""

import compat  # noqa: F401, I001 - activates the overlay

import asyncio
import gc
import logging
import os
import socket
import ssl
import struct
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import tornado.iostream
import trio
import trustme
from tornado import gen
from tornado.ioloop import IOLoop
from tornado.platform.trio import open_loop
from tornado.iostream import (
    BaseIOStream,
    IOStream,
    PipeIOStream,
    SSLIOStream,
    StreamBufferFullError,
    StreamClosedError,
    UnsatisfiableReadError,
)


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(main(), 10))  # type: ignore[arg-type]


def stream_pair(**options: Any) -> tuple[IOStream, IOStream]:
    left, right = socket.socketpair()
    return IOStream(left, **options), IOStream(right, **options)


def test_errors_have_their_documented_bases() -> None:
    assert issubclass(StreamClosedError, OSError)
    assert StreamClosedError().real_error is None
    assert str(StreamClosedError(ValueError())) == "Stream is closed"
    assert not issubclass(UnsatisfiableReadError, OSError)
    assert not issubclass(StreamBufferFullError, OSError)
    assert tornado.iostream.doctests() is not None


def test_reset_in_mid_message() -> None:
    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        stream = IOStream(socket.socket())
        connected = stream.connect(listener.getsockname())
        peer, _ = listener.accept()
        await connected
        peer.send(b"half a mess")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        future = stream.read_bytes(100)
        peer.close()
        with pytest.raises(StreamClosedError) as caught:
            await future
        assert isinstance(caught.value.real_error, ConnectionResetError)
        assert stream.error is caught.value.real_error
        listener.close()

    run(main)


def test_refused() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()
        stream = IOStream(socket.socket())
        with pytest.raises(StreamClosedError) as caught:
            await stream.connect(address)
        assert isinstance(caught.value.real_error, ConnectionRefusedError)
        secure = SSLIOStream(socket.socket())
        with pytest.raises(ConnectionRefusedError):
            await secure.connect(address)

    run(main)


@pytest.fixture
def authority(tmp_path: Path) -> tuple[dict[str, Any], str]:
    """A server's ssl_options and the file of who signed them."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "a.pem")
    return {"certfile": str(tmp_path / "a.pem")}, str(tmp_path / "ca.pem")


def test_certificate_refused(
    authority: tuple[dict[str, Any], str], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        options, ca_file = authority
        for hostname, ca_certs, expected in (
            ("localhost", ca_file, None),
            ("elsewhere.example", ca_file, "Hostname mismatch"),
            ("localhost", None, "unable to get local issuer"),
        ):
            left, right = socket.socketpair()
            server = IOStream(left).start_tls(True, options)
            server.add_done_callback(lambda future: future.exception())
            context = ssl.create_default_context(cafile=ca_certs)
            client = IOStream(right).start_tls(False, context, server_hostname=hostname)
            if expected is None:
                streams = [await client, await server]
                await streams[0].write(b"hello")
                assert await streams[1].read_bytes(5) == b"hello"
                for stream in streams:
                    stream.close()
            else:
                with pytest.raises(ssl.SSLCertVerificationError, match=expected):
                    await client
                await asyncio.sleep(0.01)

    run(main)
    assert "SSL Error" in caplog.text


def test_plain_bytes_before_start_tls_are_refused() -> None:
    async def main() -> None:
        a, b = stream_pair()
        await b.write(b"STARTTLS\ninjected")
        assert await a.read_until(b"\n") == b"STARTTLS\n"
        with pytest.raises(ValueError):
            a.start_tls(True, {})
        a.close()
        b.close()

    run(main)


def test_tls_carries_large_messages_both_ways(authority: tuple[dict[str, Any], str]) -> None:
    async def main() -> None:
        options, ca_file = authority
        left, right = socket.socketpair()
        serving = IOStream(left).start_tls(True, options)
        context = ssl.create_default_context(cafile=ca_file)
        client = await IOStream(right).start_tls(False, context, server_hostname="localhost")
        server = await serving
        big = os.urandom(5_000_000)
        writes = [client.write(big), server.write(big)]
        assert await server.read_bytes(len(big)) == big
        buffer = bytearray(len(big))
        assert await client.read_into(buffer) == len(big)
        assert buffer == big
        await asyncio.gather(*writes)
        client.close()
        assert await server.read_until_close() == b""

    run(main)


def test_write_buffer_is_bounded() -> None:
    async def main() -> None:
        a, b = stream_pair(max_write_buffer_size=1_000_000)
        chunk = bytes(100_000)
        with pytest.raises(StreamBufferFullError):
            for _ in range(2000):
                a.write(chunk)
        assert len(a._write_buffer) <= 1_000_000
        assert not a.closed()
        a.close()
        b.close()

    run(main)


def test_what_a_program_queued_by_itself_leaves_with_an_empty_write() -> None:
    """dask's distributed gathers its frames this way, in all its releases."""

    async def main() -> None:
        left, right = stream_pair()
        for frame in (b"small", memoryview(bytes(3_000_000)), b"end"):
            left._write_buffer.append(frame)
            left._total_write_index += len(frame)
        sent = left.write(b"")
        assert left.writing()
        assert not sent.done()
        received = await right.read_bytes(3_000_008)
        assert (received[:5], received[-3:]) == (b"small", b"end")
        await sent
        assert not left.writing()
        left._write_buffer.append(b"more")
        left._total_write_index += 4
        assert left.write(b"").done()  # the kernel took it at once
        assert await right.read_bytes(4) == b"more"
        left.close()
        with pytest.raises(StreamClosedError):
            left.write(b"")
        right.close()

    run(main)


def test_awaited_writes_to_a_silent_peer_take_no_memory() -> None:
    async def main() -> None:
        a, b = stream_pair()
        chunk = bytes(1_000_000)

        async def send() -> None:
            for _ in range(200):
                await a.write(chunk)

        task = asyncio.ensure_future(send())
        await asyncio.sleep(0.05)
        assert not task.done()
        assert len(a._write_buffer) <= 1_000_000
        b.close()
        with pytest.raises(StreamClosedError):
            await task

    run(main)


def test_close_says_why() -> None:
    async def main() -> None:
        for argument in ("exception", "triple", "current"):
            a, b = stream_pair()
            pending = a.read_bytes(1)
            problem = ValueError(argument)
            try:
                raise problem
            except ValueError as exc:
                if argument == "exception":
                    a.close(exc_info=exc)
                elif argument == "triple":
                    a.close(exc_info=(ValueError, exc, exc.__traceback__))
                else:
                    a.close(exc_info=True)
            assert a.error is problem
            with pytest.raises(StreamClosedError) as caught:
                await pending
            assert caught.value.real_error is problem
            b.close()

    run(main)


def test_close_callback_runs_once_and_on_the_loop() -> None:
    async def main() -> None:
        a, b = stream_pair()
        called: list[int] = []
        a.set_close_callback(lambda: called.append(1))
        b.close()
        await asyncio.sleep(0.02)
        assert called == [1] and a.closed()
        a.close()
        await asyncio.sleep(0)
        assert called == [1]

    run(main)


def test_bytes_received_before_the_close_are_not_lost() -> None:
    async def main() -> None:
        a, b = stream_pair()
        called: list[int] = []
        a.set_close_callback(lambda: called.append(1))
        await b.write(b"last words")
        b.close()
        await asyncio.sleep(0.02)
        assert await a.read_bytes(4) == b"last"
        assert await a.read_until_close() == b" words"
        await asyncio.sleep(0.01)
        assert called == [1]

    run(main)


def test_a_fast_producer_does_not_hold_the_loop() -> None:
    async def main() -> None:
        a, b = stream_pair(read_chunk_size=1024)
        turns = 0

        def turn() -> None:
            nonlocal turns
            turns += 1
            loop.add_callback(turn)

        loop = IOLoop.current()
        loop.add_callback(turn)
        write = b.write(bytes(2_000_000))
        assert len(await a.read_bytes(2_000_000)) == 2_000_000
        await write
        assert turns > 50
        a.close()
        b.close()

    run(main)


def test_unread_failures_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        a, b = stream_pair()
        a.read_bytes(1)
        a.write(bytes(10_000_000))
        a.close()
        b.close()
        await asyncio.sleep(0)

    run(main)
    gc.collect()
    assert not caplog.records


def test_bad_arguments() -> None:
    async def main() -> None:
        a, b = stream_pair()
        for call in (
            lambda: a.read_bytes("5"),
            lambda: a.read_bytes(-1),
            lambda: a.write("text"),
        ):
            with pytest.raises((TypeError, ValueError)):
                call()
        a.read_bytes(5)
        for call in (lambda: a.read_bytes(5), lambda: a.read_into(bytearray(3))):
            with pytest.raises(AssertionError):
                call()
        assert a.reading() and not a.writing() and not a.closed()
        a.close()
        b.close()

    run(main)


class QueueStream(BaseIOStream):
    """A stream of a program's own: over an eventfd-like pipe, counting its calls."""

    def __init__(self, fd: int, **kwargs: Any) -> None:
        self.fd = fd
        os.set_blocking(fd, False)
        self.calls: list[str] = []
        super().__init__(**kwargs)

    def fileno(self) -> int:
        return self.fd

    def close_fd(self) -> None:
        self.calls.append("close")
        os.close(self.fd)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        self.calls.append("read")
        return os.readv(self.fd, [buf])  # raises BlockingIOError, which is allowed

    def write_to_fd(self, data: memoryview) -> int | None:
        self.calls.append("write")
        return os.write(self.fd, data)


class OldQueueStream(QueueStream):
    """The same, written for Tornado 4: read_from_fd returns a chunk."""

    def read_from_fd(self) -> bytes | None:  # type: ignore[override]
        try:
            return os.read(self.fd, self.read_chunk_size)
        except BlockingIOError:
            return None


@pytest.mark.parametrize("kind", [QueueStream, OldQueueStream])
def test_own_subclass(kind: type[QueueStream]) -> None:
    async def main() -> None:
        read, write = os.pipe()
        reader, writer = kind(read), kind(write)
        line = reader.read_until(b"\n")
        await asyncio.sleep(0)
        await writer.write(b"hello\nand more")
        assert await line == b"hello\n"
        assert await reader.read_bytes(3) == b"and"
        write_all = writer.write(bytes(200_000))
        assert len(await reader.read_bytes(200_005)) == 200_005
        await write_all
        writer.close()
        assert await reader.read_until_close() == b""
        assert reader.closed() and writer.calls[-1] == reader.calls[-1] == "close"

    run(main)


def test_pipe_stream() -> None:
    async def main() -> None:
        read, write = os.pipe()
        reader, writer = PipeIOStream(read), PipeIOStream(write)
        await writer.write(b"x" * 1000)
        assert await reader.read_bytes(1000) == b"x" * 1000
        reader.close()
        with pytest.raises(StreamClosedError) as caught:
            await writer.write(b"y")
        assert isinstance(caught.value.real_error, BrokenPipeError)

    run(main)


# --- Tornado 4 ---------------------------------------------------------------------


def test_callbacks_of_tornado_4() -> None:
    async def main() -> None:
        a, b = stream_pair()
        got: list[Any] = []
        loop = IOLoop.current()
        for start in (
            lambda: a.read_until(b"\n", got.append),
            lambda: a.read_until(b"\n", callback=got.append, max_bytes=10),
            lambda: a.read_until(b"\n", got.append, max_bytes=10),
            lambda: a.read_until(b"\n", got.append, 10),
            lambda: a.read_until_regex(b"\n", got.append),
            lambda: a.read_bytes(5, got.append),
            lambda: a.read_bytes(5, callback=got.append),
            lambda: a.read_bytes(50, got.append, None, True),
            lambda: a.read_bytes(50, got.append, partial=True),
        ):
            got.clear()
            assert start() is None
            b.write(b"line\n", lambda: got.append("written"))
            await gen.sleep(0.01)
            assert sorted(map(str, got)) == ["b'line\\n'", "written"]
        chunks: list[bytes] = []
        got.clear()
        a.read_bytes(6, got.append, streaming_callback=chunks.append)
        for piece in (b"ab", b"cd", b"ef"):
            b.write(piece)
            await gen.sleep(0.01)
        assert chunks == [b"ab", b"cd", b"ef"] and got == [b""]
        a.read_until_close(got.append)
        b.write(b"rest")
        b.close()
        await gen.sleep(0.01)
        assert got == [b"", b"rest"]
        assert loop is a.io_loop

    run(main)


def test_connect_callback_of_tornado_4(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        loop = IOLoop.current()
        stream = IOStream(socket.socket(), io_loop=loop)
        connected = asyncio.Event()
        stream.connect(listener.getsockname(), connected.set)
        await connected.wait()
        stream.close()
        address = listener.getsockname()
        listener.close()
        stream = IOStream(socket.socket(), loop)
        stream.connect(address, connected.clear)
        await gen.sleep(0.01)
        assert connected.is_set() and stream.closed()

    run(main)
    assert "Connect error" in caplog.text


def test_an_error_in_a_callback_closes_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        a, b = stream_pair()
        a.read_bytes(1, lambda data: 1 / 0)
        b.write(b"x")
        await gen.sleep(0.01)
        assert isinstance(a.error, ZeroDivisionError)
        b.close()

    caplog.set_level(logging.ERROR)
    run(main)
    assert "Uncaught exception, closing connection" in caplog.text


# --- in a plain trio run ---------------------------------------------------------------


async def test_in_a_plain_trio_run() -> None:
    async with open_loop():
        a, b = stream_pair()
        line = a.read_until(b"\n")
        await trio.sleep(0.01)
        big = os.urandom(1_000_000)
        write = b.write(b"line\n" + big)
        assert await line == b"line\n"
        assert await a.read_bytes(len(big)) == big
        await write
        with trio.move_on_after(0.01) as scope:
            await a.read_bytes(1)
        assert scope.cancelled_caught
        a.close()  # closes a descriptor that the loop was just told to forget
        closed = trio.Event()
        b.set_close_callback(closed.set)
        with trio.fail_after(5):
            await closed.wait()
        await trio.sleep(0.01)


def test_closed_streams_are_freed_without_the_garbage_collector() -> None:
    async def main() -> None:
        a, b = stream_pair()
        write = b.write(b"x" * 10)
        assert await a.read_bytes(10) == b"x" * 10
        await write
        pending = a.read_until(b"\n")
        await asyncio.sleep(0)
        b.close()
        with pytest.raises(StreamClosedError):
            await pending
        del pending, write
        gone = [weakref.ref(a), weakref.ref(b)]
        gc.disable()
        try:
            del a, b
            assert [ref() for ref in gone] == [None, None]
        finally:
            gc.enable()

    run(main)


def test_a_closed_stream_has_no_socket() -> None:
    """Programs ask `stream.socket is None` to learn that a stream is closed."""

    async def main() -> None:
        left, right = stream_pair()
        left.close()
        assert left.socket is None and left.fileno() is None
        left.set_nodelay(True)  # harmless
        with pytest.raises(StreamClosedError):
            await right.read_bytes(1)
        assert right.socket is None

    run(main)


def test_a_closed_stream_does_not_connect() -> None:
    async def main() -> None:
        stream = IOStream(socket.socket())
        stream.close(exc_info=ValueError("why"))
        with pytest.raises(StreamClosedError) as caught:
            await stream.connect(("127.0.0.1", 1))
        assert isinstance(caught.value.real_error, ValueError)

    run(main)


def test_bad_options_of_start_tls_leave_the_stream_as_it_is() -> None:
    async def main() -> None:
        left, right = stream_pair()
        with pytest.raises(FileNotFoundError):
            left.start_tls(True, {"certfile": "/nonexistent"})
        await left.write(b"still")
        assert await right.read_bytes(5) == b"still"
        with pytest.raises(ValueError, match="server_hostname"):  # too late for that
            left.start_tls(False)
        assert left.closed() and left.socket is None
        with pytest.raises(StreamClosedError):
            await right.read_bytes(1)

    run(main)


def test_the_writing_end_of_a_pipe_hears_of_the_readers_leaving(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As the stdin of a child does that is waited for; nothing went wrong."""

    async def main() -> None:
        reading, writing = os.pipe()
        stream = PipeIOStream(writing)
        closed = asyncio.Event()
        stream.set_close_callback(closed.set)
        os.close(reading)
        await closed.wait()
        assert stream.closed()

    run(main)
    assert not caplog.records
