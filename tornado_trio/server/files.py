"""File bytes onto a connection, past our buffers. Knows the connection and its stream."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import trio

from ..errors import StreamClosedError

if TYPE_CHECKING:
    from .connection import ServerConnection

__all__ = ["send_file"]

_PIECE = 1024 * 1024


async def send_file(
    connection: ServerConnection, file: IO[bytes] | int, offset: int, count: int
) -> None:
    """Send file bytes in pieces that each have the time of `Timeouts.write`.

    Raises `StreamClosedError` if the client goes away or does not read.
    Cancellation: an unknown part has been sent; the connection cannot go on.
    """
    stream = connection.stream
    await connection.drain()
    while count:
        piece = min(count, _PIECE)
        try:
            with trio.fail_after(connection.options.timeouts.write):
                await stream.sendfile(file, offset, piece)
        except (StreamClosedError, trio.TooSlowError) as exc:
            error = StreamClosedError("the client does not read its response")
            connection.lost(error)
            stream.close()
            raise error from exc
        offset += piece
        count -= piece
