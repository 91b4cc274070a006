"""The block of a session: what is left of it when it was cancelled, or could not begin."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.websocket.test_ws_session import QUIET, Raw
from tornado_trio.net.memory import memory_stream_pair
from tornado_trio.websocket import WebSocket, run_session
from tornado_trio.websocket.tracing import set_session_tracer
from tornado_trio.wire.websocket import WebSocketProtocol
from tornado_trio.wire.websocket.frames import CLOSE


async def wait_for(what: str, ws: WebSocket) -> None:
    if what == "message":
        await ws.receive()
    else:
        await trio.sleep_forever()


@pytest.mark.parametrize("what", ["message", "something else"])
@pytest.mark.parametrize("given", [False, True], ids=["own nursery", "given nursery"])
async def test_a_cancelled_block_waits_for_the_answer(
    autojump_clock: Any, what: str, given: bool
) -> None:
    """To its close frame (RFC 6455 7.1.1): else what the peer still sends would be answered by a
    reset, which may destroy the frame on its way. A nursery that was given is cancelled, too."""
    client, server = memory_stream_pair()
    peer, scope = Raw(client), trio.CancelScope()

    async def serve() -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                protocol = WebSocketProtocol(client=False)
                owner = nursery if given else None
                async with run_session(server, protocol, QUIET, nursery=owner) as ws:
                    await wait_for(what, ws)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await trio.sleep(1)
        scope.cancel()
        opcode, close = await peer.event()
        assert (opcode, close.code) == (CLOSE, 1001)
        await trio.sleep(QUIET.cancel_timeout / 2)
        assert not server.closed
        client.write(peer.protocol.answer_close())
        await trio.sleep(0.1)
        assert server.closed


@pytest.mark.parametrize("given", [False, True], ids=["own nursery", "given nursery"])
async def test_a_block_that_cannot_begin(autojump_clock: Any, given: bool) -> None:
    def fail(session: object, context: object) -> Any:
        raise ZeroDivisionError

    client, server = memory_stream_pair()
    peer = Raw(client)
    set_session_tracer(fail)
    try:
        async with trio.open_nursery() as nursery:
            session = run_session(
                server, WebSocketProtocol(client=False), QUIET, nursery=nursery if given else None
            )
            nursery.start_soon(peer.event)
            with pytest.raises(ZeroDivisionError):
                async with session:
                    raise AssertionError("it did not begin")
            assert server.closed
    finally:
        set_session_tracer(None)
