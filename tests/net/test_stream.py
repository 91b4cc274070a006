"""The contract of `Stream`, over each transport (the fixture `pair`)."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tornado_trio.errors import ReadLimitError, StreamClosedError, WriteBufferFull
from tornado_trio.net import SocketStream, Stream

Pair = tuple[Stream, Stream]
BIG = os.urandom(1 << 20)


async def test_read_nowait_tells_nothing_from_the_end(pair: Pair) -> None:
    a, b = pair
    assert b.read_nowait() is None
    assert a.write(b"hello")
    assert b.read_nowait(2) == b"he"
    assert b.read_nowait() == b"llo"
    assert b.read_nowait() is None
    a.close()
    assert b.read_nowait() == b""
    assert b.read_nowait() == b""


async def test_wait_readable_consumes_nothing(pair: Pair) -> None:
    a, b = pair
    async with trio.open_nursery() as nursery:
        nursery.start_soon(b.wait_readable)
        await wait_all_tasks_blocked()
        a.write(b"x")
    await b.wait_readable()
    assert await b.read_some() == b"x"
    a.close()
    await b.wait_readable()
    assert await b.read_some() == b""


async def test_unread_is_read_next(pair: Pair) -> None:
    a, b = pair
    a.write(b"def")
    b.unread(b"abc")
    await b.wait_readable()
    assert b.read_nowait(2) == b"ab"
    assert await b.read_exactly(4) == b"cdef"


async def test_read_exactly_keeps_what_came_when_cancelled(pair: Pair) -> None:
    a, b = pair
    a.write(b"12345")
    with trio.move_on_after(0.01) as scope:
        await b.read_exactly(10)
    assert scope.cancelled_caught
    a.write(b"67890")
    assert await b.read_exactly(10) == b"1234567890"


async def test_a_cancelled_read_loses_nothing(pair: Pair) -> None:
    a, b = pair
    a.write(b"line\nmore")
    await b.wait_readable()
    for operation in (
        lambda: b.read_some(),
        lambda: b.read_exactly(4),
        lambda: b.read_until(b"\n"),
        lambda: b.read_until_regex(b"\n"),
        lambda: b.read_until_close(),
        lambda: b.read_into(bytearray(3)),
    ):
        with trio.move_on_after(0) as scope:
            await operation()
        assert scope.cancelled_caught
    with trio.move_on_after(0.01) as scope:
        await b.read_until_close()
    assert scope.cancelled_caught
    assert await b.read_exactly(9) == b"line\nmore"


async def test_read_exactly_at_the_end(pair: Pair) -> None:
    a, b = pair
    a.write(b"123")
    a.close()
    with pytest.raises(StreamClosedError, match="after 3 of 10 bytes"):
        await b.read_exactly(10)
    assert b.read_nowait() == b"123"


async def test_read_until(pair: Pair) -> None:
    a, b = pair
    a.write(b"one\r\ntwo\r")
    assert await b.read_until(b"\r\n") == b"one\r\n"
    with trio.move_on_after(0.01):
        await b.read_until(b"\r\n")
    a.write(b"\nthree")
    assert await b.read_until(b"\r\n") == b"two\r\n"
    a.close()
    with pytest.raises(StreamClosedError):
        await b.read_until(b"\r\n")
    assert await b.read_some() == b"three"


@pytest.mark.parametrize("limit,ok", [(4, False), (5, True)])
async def test_read_until_bound_counts_the_delimiter(pair: Pair, limit: int, ok: bool) -> None:
    a, b = pair
    a.write(b"abcd\nrest")
    if ok:
        assert await b.read_until(b"\n", max_bytes=limit) == b"abcd\n"
    else:
        with pytest.raises(ReadLimitError):
            await b.read_until(b"\n", max_bytes=limit)
        assert await b.read_some() == b"abcd\nrest"


async def test_read_until_bound_without_a_delimiter(pair: Pair) -> None:
    a, b = pair
    a.write(b"x" * 50)
    with pytest.raises(ReadLimitError):
        await b.read_until(b"\n", max_bytes=20)
    with pytest.raises(ReadLimitError):
        await b.read_until_regex(rb"\d", max_bytes=20)


async def test_read_until_regex(pair: Pair) -> None:
    a, b = pair
    a.write(b"abc123def")
    assert await b.read_until_regex(rb"[0-9]+") == b"abc123"
    assert await b.read_some() == b"def"


async def test_read_into(pair: Pair) -> None:
    a, b = pair
    target = bytearray(10)
    a.write(b"12345")
    assert await b.read_into(target, partial=True) == 5
    b.unread(b"ab")
    a.write(b"cdefghijk")
    assert await b.read_into(target) == 10
    assert target == b"abcdefghij"
    assert await b.read_some() == b"k"
    a.close()
    assert await b.read_into(target, partial=True) == 0
    with pytest.raises(StreamClosedError):
        await b.read_into(target)


async def test_read_until_close(pair: Pair) -> None:
    a, b = pair
    async with trio.open_nursery() as nursery:
        nursery.start_soon(a.send_all, BIG)
        data = await b.read_exactly(len(BIG) - 10)
        a.close()
    assert data + await b.read_until_close() == BIG


async def test_read_until_close_is_bounded(pair: Pair) -> None:
    a, b = pair
    a.write(b"x" * 100)
    with pytest.raises(ReadLimitError):
        await b.read_until_close(max_bytes=99)


async def test_what_the_kernel_does_not_take_waits_for_drain(pair: Pair) -> None:
    a, b = pair
    assert not a.write(BIG)
    assert not a.write(b"tail")
    assert 0 < a.unsent <= len(BIG) + 4  # OpenSSL takes all of a write, or nothing
    async with trio.open_nursery() as nursery:
        nursery.start_soon(a.drain)
        assert await b.read_exactly(len(BIG) + 4) == BIG + b"tail"
    assert a.unsent == 0
    assert a.write(b"now")


async def test_the_nursery_flushes_by_itself(pair: Pair) -> None:
    a, b = pair
    async with trio.open_nursery() as nursery:
        a.nursery = nursery
        assert not a.write(BIG)
        a.write(b"tail")
        assert await b.read_exactly(len(BIG)) == BIG
        await a.drain()
        assert await b.read_exactly(4) == b"tail"
        a.write(BIG)
        await wait_all_tasks_blocked()
        b.close()
        await wait_all_tasks_blocked()
        with pytest.raises(StreamClosedError):
            a.write(b"x")


async def test_many_tasks_may_drain(pair: Pair) -> None:
    a, b = pair
    a.write(BIG)
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as early:
            early.start_soon(a.drain)
            await wait_all_tasks_blocked()
            nursery.start_soon(a.drain)
            await wait_all_tasks_blocked()
            early.cancel_scope.cancel()  # the other takes over
        assert await b.read_exactly(len(BIG)) == BIG


async def test_write_is_bounded(pair: Pair) -> None:
    a, _b = pair
    a.max_write_buffer_size = 2 * len(BIG)
    a.write(BIG)
    a.write(BIG)
    before = a.unsent
    with pytest.raises(WriteBufferFull):
        a.write(BIG)
    assert a.unsent == before
    with trio.move_on_after(0.01):
        await a.send_all(b"may wait, so may exceed")


async def test_send_all_is_in_order_with_write(pair: Pair) -> None:
    a, b = pair
    async with trio.open_nursery() as nursery:
        a.write(BIG)
        nursery.start_soon(a.send_all, b"second")
        assert await b.read_exactly(len(BIG) + 6) == BIG + b"second"


async def test_a_changed_buffer_does_not_change_what_was_written(pair: Pair) -> None:
    a, b = pair
    mutable = bytearray(BIG)
    a.write(mutable)
    mutable[:] = bytes(len(BIG))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(a.drain)
        assert await b.read_exactly(len(BIG)) == BIG


async def test_half_close(pair: Pair) -> None:
    a, b = pair
    a.write(b"request")
    await a.send_eof()
    assert await b.read_until_close() == b"request"
    await b.send_all(b"answer")
    b.close()
    assert await a.read_until_close() == b"answer"


async def test_peer_gone(pair: Pair) -> None:
    a, b = pair
    b.close()
    with pytest.raises(StreamClosedError) as caught:
        for _ in range(3):
            a.write(b"x")
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(StreamClosedError):
        await a.send_all(b"x")
    with pytest.raises(StreamClosedError):
        await a.drain()
    assert a.read_nowait() == b""


async def test_close_wakes_reader_and_writer(pair: Pair) -> None:
    a, _b = pair

    async def fails(wait: object) -> None:
        with pytest.raises(StreamClosedError):
            await wait()  # type: ignore[operator]

    a.write(BIG)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fails, a.read_some)
        nursery.start_soon(fails, a.drain)
        nursery.start_soon(fails, a.drain)
        await wait_all_tasks_blocked()
        a.close()
        a.close()
    assert a.closed and a.unsent == 0
    for operation in (a.read_some, a.wait_readable, a.drain, a.send_eof):
        with pytest.raises(StreamClosedError):
            await operation()
    with pytest.raises(StreamClosedError):
        a.write(b"x")
    with pytest.raises(StreamClosedError):
        a.read_nowait()


async def test_aclose_drains_unless_cancelled(pair: Pair) -> None:
    a, b = pair
    a.write(BIG)
    with trio.move_on_after(0.01) as scope:
        await a.aclose()
    assert scope.cancelled_caught and a.closed
    b.close()


async def test_aclose_delivers(pair: Pair) -> None:
    a, b = pair
    a.write(BIG)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(a.aclose)
        assert await b.read_until_close() == BIG
    await b.aclose()
    await b.aclose()


async def test_reading_yields_and_can_be_cancelled(pair: Pair) -> None:
    """A peer that always has more must not starve the loop, nor outlive a cancellation."""
    _a, b = pair
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        for _ in range(200):
            b.unread(b"x")
            await b.read_some()
        assert turns >= 3
        nursery.cancel_scope.cancel()
    with trio.CancelScope() as scope:
        scope.cancel()
        b.unread(b"x")
        await b.read_some()
    assert scope.cancelled_caught


async def test_sendfile(pair: Pair, tmp_path: Path) -> None:
    a, b = pair
    path = tmp_path / "file"
    path.write_bytes(BIG)
    a.write(b"head")
    with path.open("rb") as file:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.sendfile, file, 100, len(BIG) - 200)
            assert await b.read_exactly(4) == b"head"
            assert await b.read_exactly(len(BIG) - 200) == BIG[100:-100]
        with pytest.raises(EOFError):
            await a.sendfile(file, len(BIG) - 5, 10)
    assert await b.read_some() == BIG[-5:]


async def test_context_manager_closes(pair: Pair) -> None:
    a, b = pair
    async with a:
        a.write(b"bye")
    assert a.closed
    assert await b.read_until_close() == b"bye"
    assert "closed" in repr(a) and "0 in" in repr(b)


class _Recording(socket.socket):
    """Notes with what flags it sends, and when it is told to send without delay."""

    def send(self, data: object, flags: int = 0) -> int:  # type: ignore[override]
        self.calls.append(("send", bytes(data), flags))  # type: ignore[call-overload]
        return super().send(data, flags)  # type: ignore[arg-type]

    def setsockopt(self, *args: object) -> None:  # type: ignore[override]
        self.calls.append(("setsockopt", *args))
        super().setsockopt(*args)  # type: ignore[call-overload]

    calls: list[tuple[object, ...]]


@pytest.mark.skipif(not hasattr(socket, "MSG_MORE"), reason="Linux keeps back what is asked to")
async def test_more_is_kept_back_until_a_push_and_a_push_costs_nothing_without() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    recording = _Recording(fileno=accepted.detach())
    recording.calls = []
    with client, recording:
        stream = SocketStream(recording)
        push = ("setsockopt", socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        recording.calls.clear()
        stream.push()
        assert recording.calls == []
        assert stream.write_more(b"a")
        stream.push()
        stream.push()
        assert recording.calls == [("send", b"a", socket.MSG_MORE), push]
        recording.calls.clear()
        assert stream.write_more(b"b")
        assert stream.write(b"c")
        stream.push()
        assert recording.calls == [("send", b"b", socket.MSG_MORE), ("send", b"c", 0)]
        assert stream.write_more(b"d")
        stream.close()
        received = b""
        while data := client.recv(100):
            received += data
        assert received == b"abcd"  # closing keeps nothing back either


async def test_whether_input_waits(pair: tuple[Stream, Stream]) -> None:
    ours, theirs = pair
    assert ours.read_nowait() is None  # what is left of a handshake counts, too
    assert not ours.input_waits()
    theirs.write(b"one")
    await ours.wait_readable()
    assert ours.input_waits() and ours.input_waits()
    assert await ours.read_exactly(2) == b"on"
    if await ours.read_some() == b"e":
        assert not ours.input_waits()
    ours.unread(b"back")
    assert ours.input_waits()
    assert await ours.read_some() == b"back"
    theirs.close()
    await ours.wait_readable()
    assert ours.input_waits()  # the end
    ours.close()
    assert ours.input_waits()  # reading will tell


async def test_asking_whether_input_waits_leaves_the_reset_to_the_reader() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    stream = SocketStream(accepted)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    await trio.lowlevel.wait_readable(accepted)
    assert stream.input_waits()
    with pytest.raises(StreamClosedError) as raised:
        stream.read_nowait()
    assert isinstance(raised.value.__cause__, ConnectionResetError)
    stream.close()


@pytest.mark.parametrize("how", ["read_some", "wait_readable", "readable", "by its socket"])
async def test_closing_a_socket_wakes_whoever_waits_for_it(how: str) -> None:
    ours, theirs = socket.socketpair()
    stream = SocketStream(ours)

    async def wait() -> None:
        if how == "by its socket":  # as a program may
            with pytest.raises(trio.ClosedResourceError):
                await trio.lowlevel.wait_readable(stream.socket)
        elif how == "readable":
            with pytest.raises((trio.ClosedResourceError, StreamClosedError)):
                await stream.readable()
        else:
            with pytest.raises(StreamClosedError):
                await getattr(stream, how)()

    with theirs, trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            stream.close()


async def test_a_descriptor_is_waited_for_after_one_of_its_number_was_closed_unwaited() -> None:
    first, other = socket.socketpair()
    number = first.fileno()
    for waits in (False, True, False, True):
        stream = SocketStream(first)
        assert first.fileno() == number
        if waits:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.wait_readable)
                await wait_all_tasks_blocked()
                other.send(b"x")
        stream.close()
        other.close()
        first, other = socket.socketpair()
    first.close()
    other.close()
