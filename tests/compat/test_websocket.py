"""`tornado.websocket`: how a handler's connection ends, busy handlers, keepalive."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import asyncio

import pytest
from tornado.testing import ExpectLog, gen_test
from tornado.websocket import WebSocketClosedError

from .websocket_peer import Base, frame


class EndsTest(Base):
    """`on_close` is called once, with what the peer said."""

    @gen_test
    async def test_the_client_closes(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(8, b"\x0f\xa1bye"))
        assert await peer.frame() == (8, b"\x0f\xa1")
        assert await peer.frame() is None
        assert await self.settle(handler) == ["open", ("close", 4001, "bye")]

    @gen_test
    async def test_without_a_code(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(8))
        assert await peer.frame() == (8, b"")
        assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_the_server_closes(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(1, b"close"))
        assert await peer.frame() == (8, b"\x0f\xa1asked for")
        with pytest.raises(WebSocketClosedError):
            handler.write_message("late")
        with pytest.raises(WebSocketClosedError):
            handler.ping()
        handler.close()
        peer.send(frame(8, b"\x0f\xa1"))
        assert await peer.frame() is None
        assert (await self.settle(handler))[-1] == ("close", 4001, None)

    @gen_test
    async def test_both_at_once(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(8, b"\x03\xe8"))
        handler.close(1001)
        assert await peer.frame() == (8, b"\x03\xe9")
        assert await peer.frame() is None
        assert await self.settle(handler) == ["open", ("close", 1000, None)]

    @gen_test
    async def test_gone_without_a_word(self) -> None:
        for how in ("close", "reset"):
            peer, handler = await self.peer()
            (peer.sock.close if how == "close" else peer.reset)()
            assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_error_in_on_message(self) -> None:
        peer, handler = await self.peer()
        with ExpectLog("tornado.application", "Uncaught exception"):
            peer.send(frame(1, b"error"))
            assert await peer.close_code() == 1011
            assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_error_in_open(self) -> None:
        with ExpectLog("tornado.application", "Uncaught exception"):
            peer, handler = await self.peer("/fails")
            assert await peer.frame() is None
        assert handler.events == []

    @gen_test
    async def test_error_in_on_close(self) -> None:
        bystander, _ = await self.peer()
        with ExpectLog("tornado.application", "Uncaught exception"):
            peer, handler = await self.peer("/fails_to_close")
            peer.send(frame(8, b"\x03\xe8"))
            assert await peer.close_code() == 1000
            await self.settle(handler)
        bystander.send(frame(1, b"still here"))
        assert await bystander.frame() == (1, b"still here")

    @gen_test
    async def test_on_close_may_be_a_coroutine(self) -> None:
        peer, handler = await self.peer("/slow_to_close")
        peer.send(frame(8, b"\x03\xe8"))
        assert await peer.close_code() == 1000
        with ExpectLog("tornado.application", "Uncaught exception"):
            assert await self.settle(handler) == ["open", ("close", 1000, None)]

    @gen_test
    async def test_program_closes_the_stream(self) -> None:
        peer, handler = await self.peer()
        assert handler.ws_connection is not None
        stream = handler.ws_connection.stream
        assert not stream.closed() and stream.fileno() is stream.socket
        stream.close()
        assert stream.closed()
        assert await self.settle(handler) == ["open", ("close", None, None)]
        assert await peer.frame() is None

    @gen_test
    async def test_server_closes_all_connections(self) -> None:
        _, handler = await self.peer()
        await self.http_server.close_all_connections()
        assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_a_get_of_the_programs_own_lasts(self) -> None:
        peer, handler = await self.peer("/lasting")
        peer.send(frame(1, b"x"))
        assert await peer.frame() == (1, b"x")
        assert "get returned" not in handler.events
        peer.send(frame(8))
        events = await self.settle(handler)
        assert events[-2:] == [("close", None, None), "get returned"]


class BusyTest(Base):
    """What happens while `on_message` takes its time."""

    @gen_test
    async def test_awaiting_either_library(self) -> None:
        peer, _ = await self.peer()
        for word in (b"trio", b"asyncio"):
            peer.send(frame(1, word))
            assert await peer.frame() == (1, word)
        peer.send(frame(1, b"context"))
        assert await peer.frame() == (1, b"of the request")

    @gen_test
    async def test_pings_are_answered_and_order_is_kept(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(1, b"slow"))
        await asyncio.sleep(0.05)
        peer.send(frame(1, b"second") + frame(9, b"ping") + frame(1, b"thi", False))
        assert await peer.frame() == (10, b"ping")
        peer.send(frame(0, b"rd") + frame(8, b"\x03\xe8"))
        for word in (b"slow", b"second", b"third"):
            assert await peer.frame() == (1, word)
        assert await peer.close_code() == 1000
        events = await self.settle(handler)
        assert events == ["open", "slow", "second", "third", ("close", 1000, None)]

    @gen_test
    async def test_the_peers_leave_is_told_at_once(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(1, b"slow"))
        await asyncio.sleep(0.05)
        peer.reset()
        await asyncio.sleep(0.1)
        assert handler.events == ["open", ("close", None, None)]
        await asyncio.sleep(0.3)
        assert "slow" in handler.events  # it ran to its end; its answer failed
        assert len(handler.events) == 3

    @gen_test
    async def test_the_end_is_told_after_the_messages_before_it(self) -> None:
        for leave in ("close", "reset"):
            peer, handler = await self.peer()
            peer.send(frame(1, b"nap one"))
            await asyncio.sleep(0.05)
            peer.send(frame(1, b"nap two") + frame(1, b"nap three"))
            await asyncio.sleep(0.05)
            if leave == "close":
                peer.sock.close()
            else:
                peer.reset()
            await asyncio.sleep(0.5)
            told = [event for event in handler.events if not isinstance(event, tuple)]
            assert told == ["open", "nap one", "nap two", "nap three"]
            assert handler.events.index(("close", None, None)) > 2

    @gen_test
    async def test_mistakes_wait_their_turn(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(1, b"slow"))
        await asyncio.sleep(0.05)
        peer.send(frame(1, b"next") + frame(3))
        for word in (b"slow", b"next"):
            assert await peer.frame() == (1, word)
        assert await peer.close_code() == 1002
        await self.settle(handler)

    @gen_test
    async def test_a_flood_is_not_read_ahead_without_bound(self) -> None:
        peer, handler = await self.peer()
        peer.send(frame(1, b"slow"))
        await asyncio.sleep(0.02)
        message = frame(1, b"x" * 900)
        peer.sock.settimeout(0.05)
        sent = 0
        with pytest.raises(TimeoutError):
            for _ in range(20_000):
                peer.sock.sendall(message)
                sent += len(message)
        assert sent < 12_000_000  # what the kernel's buffers hold, and 256 KiB
        assert handler.ws_connection is not None
        assert len(handler.ws_connection._link.ahead.events) <= 32  # type: ignore[attr-defined]
        peer.reset()
        with ExpectLog("tornado.application", ".*", required=False):
            await self.settle(handler)

    @gen_test
    async def test_messages_wait_for_open(self) -> None:
        peer, handler = await self.peer("/slow")
        peer.send(frame(1, b"early") + frame(9))
        assert await peer.frame() == (10, b"")
        assert await peer.frame() == (1, b"early")
        assert handler.events == ["open", "early"]

    @gen_test
    async def test_a_peer_that_does_not_read(self) -> None:
        peer, handler = await self.peer()
        with ExpectLog("tornado.general", "WebSocket closed: the peer does not read"):
            peer.send(frame(1, b"flood"))
            await self.settle(handler)
        await asyncio.sleep(0.05)
        assert "closed" in handler.events


class KeepaliveTest(Base):
    settings = {"websocket_ping_interval": 0.1, "websocket_ping_timeout": 0.05}

    @gen_test
    async def test_a_peer_that_vanished(self) -> None:
        for path in ("/", "/pinging_task"):
            peer, handler = await self.peer(path)
            assert await peer.frame() == (9, b"")
            assert await peer.frame() == (8, b"\x03\xe8ping timed out")
            assert handler.ws_connection.is_closing()  # type: ignore[union-attr]
            peer.sock.close()
            assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_a_peer_that_answers(self) -> None:
        for path in ("/", "/pinging_task"):
            peer, handler = await self.peer(path)
            for _ in range(4):
                assert await peer.frame() == (9, b"")
                peer.send(frame(10))
            assert handler.events == ["open"]
            handler.close()
            assert await peer.frame() == (8, b"")
            peer.send(frame(8))
            assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_a_busy_handler_is_no_reason_to_hang_up(self) -> None:
        client = await self.connect()
        await client.write_message("slow")
        assert await client.read_message() == "slow"
        await asyncio.sleep(0.3)
        assert not client.protocol.is_closing()
        client.close()
