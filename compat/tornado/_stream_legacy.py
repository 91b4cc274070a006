"""The callback interfaces of `tornado.iostream` before Tornado 6.

`callback=` arguments are built on the Futures of the present interface. As in their time,
a callback is not called when the stream closes first: that is what `set_close_callback`
is for. An exception in a callback closes the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tornado.log import app_log


def then(stream: Any, future: Any, callback: Callable[..., Any], with_result: bool) -> Any:
    def done(future: Any) -> None:
        if future.cancelled() or future.exception() is not None:
            return
        try:
            callback(future.result()) if with_result else callback()
        except Exception as exc:
            app_log.error("Uncaught exception, closing connection.", exc_info=True)
            stream.close(exc_info=exc)
            raise

    stream.io_loop.add_future(future, done)
    return future


def read_until(stream: Any, method: str, wanted: bytes, second: Any, callback: Any) -> Any:
    """`read_until(delimiter, callback, max_bytes)` and its regex twin.

    `second` is the second positional argument: max_bytes, or a callback.
    """
    if callable(second):
        second, callback = (callback if isinstance(callback, int) else None), second
    return then(stream, getattr(stream, method)(wanted, second), callback, True)


def read_bytes(
    stream: Any, num_bytes: int, second: Any, callback: Any, streaming_callback: Any
) -> Any:
    """`read_bytes(num_bytes, callback, streaming_callback, partial)`."""
    partial = second
    if callable(second) or second is None:
        # Positional arguments of the old order have landed one place to the left.
        partial = isinstance(streaming_callback, bool) and streaming_callback
        named = streaming_callback if callable(streaming_callback) else None
        streaming_callback = callback if callable(callback) else named
        callback = second
    if streaming_callback is None:
        future = stream.read_bytes(num_bytes, partial=partial)
        return then(stream, future, callback, True)
    return _pump(stream, num_bytes, callback, streaming_callback)


def read_until_close(stream: Any, callback: Any, streaming_callback: Any) -> Any:
    """`read_until_close(callback, streaming_callback)`."""
    if streaming_callback is None:
        return then(stream, stream.read_until_close(), callback, True)
    return _pump(stream, None, callback, streaming_callback)


def _pump(stream: Any, left: int | None, callback: Any, streaming_callback: Any) -> Any:
    """Hand on chunks as they come; `callback(b"")` at the end."""
    from tornado.iostream import StreamClosedError
    from tornado.platform.trio import run_task

    async def pump() -> bytes:
        remaining = left
        while remaining is None or remaining > 0:
            try:
                chunk = await stream.read_bytes(
                    stream.read_chunk_size if remaining is None else remaining, partial=True
                )
            except StreamClosedError:
                if remaining is None:
                    break
                raise
            if remaining is not None:
                remaining -= len(chunk)
            try:
                streaming_callback(chunk)
            except Exception as exc:
                stream.close(exc_info=exc)
                raise
        return b""

    future = run_task(pump())
    if callback is None:
        return future
    return then(stream, future, callback, True)


def write(stream: Any, data: Any, callback: Callable[[], Any]) -> Any:
    """`write(data, callback)`."""
    return then(stream, stream.write(data), callback, False)


def connect(stream: Any, address: Any, callback: Any, server_hostname: Any) -> Any:
    """`connect(address, callback, server_hostname)`."""
    if isinstance(callback, str):
        server_hostname, callback = callback, server_hostname
    return then(stream, stream.connect(address, server_hostname=server_hostname), callback, False)
