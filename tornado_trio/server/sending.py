"""Bytes on their way to a client that may not take them: waits, files, the last response.

Knows streams, their timeouts and what the kernel copies fast. Must not know requests.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import trio

from .._util.fairness import Budget
from ..errors import DeadlineError, StreamClosedError
from ..exchange import Cause
from ..wire.http1 import ServerWire

if TYPE_CHECKING:
    from .interfaces import ToClient

__all__ = ["close_in_order", "drain", "send_file"]

_PIECE = 1024 * 1024
# What one call sends without a wait: four full packets of the loopback interface, measured best. A
# file of 1 MiB costs 450 us, all in all; 510 by 256 KiB (a fifth packet of 200 bytes), 520 at once.
_AT_ONCE = 4 * 65408
_PIECES_IN_A_ROW = 16


async def drain(reader: ToClient) -> None:
    """Until the client has taken everything written.

    Raises `StreamClosedError` if it goes away or takes nothing for `Timeouts.write`.
    """
    stream = reader.stream
    while stream.unsent:
        before = stream.unsent
        try:
            with trio.move_on_after(reader.options.timeouts.write) as scope:
                await stream.drain()
        except StreamClosedError as exc:
            reader.on_disconnect(Cause.CLIENT_GONE, exc)
            raise
        if scope.cancelled_caught and stream.unsent >= before:
            _give_up(reader, DeadlineError("the client takes nothing", "write"))
    await trio.lowlevel.checkpoint_if_cancelled()


def _give_up(reader: ToClient, cause: Exception) -> None:
    error = StreamClosedError("the client does not read its response")
    reader.on_disconnect(Cause.NOT_READING, error)
    reader.stream.close()
    raise error from cause


async def send_file(reader: ToClient, file: IO[bytes] | int, offset: int, count: int) -> None:
    """Send file bytes; each piece that must wait has the time of `Timeouts.write`.

    Raises `StreamClosedError` if the client goes away or does not read.
    Cancellation: an unknown part has been sent; the connection cannot be used any more.
    """
    stream = reader.stream
    await drain(reader)
    budget = Budget(_PIECES_IN_A_ROW)
    while count:
        try:
            sent = stream.sendfile_nowait(file, offset, min(count, _AT_ONCE))
            if sent:
                await budget.maybe_checkpoint()
            else:
                # A deadline is armed only for a wait: it costs a fast client 20 us.
                sent = min(count, _PIECE)
                with trio.fail_after(reader.options.timeouts.write):
                    await stream.sendfile(file, offset, sent)
                budget.renew()
        except (StreamClosedError, trio.TooSlowError) as exc:
            _give_up(reader, exc)
        offset += sent
        count -= sent


async def close_in_order(reader: ToClient, wire: ServerWire, *, refused: bool) -> None:
    """Let the last response reach the client. Bounded by `write` and `linger`.

    Closing a socket with unread input sends a reset, which may overtake the response; so say
    goodbye first and read for a while what comes. `refused`: there may be more of it.
    """
    stream = reader.stream
    if stream.closed:
        return
    if stream.unsent:
        await drain(reader)
    linger = reader.options.timeouts.linger
    if (refused or wire.buffered or wire.body_unread) and not wire.eof:
        with trio.move_on_after(linger):
            await stream.send_eof()
            while await stream.read_some():
                pass
    elif stream.tls:
        with trio.move_on_after(linger):
            await stream.aclose()
