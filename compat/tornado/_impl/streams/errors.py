"""The errors of `tornado.iostream`. Knows the native errors only."""

from __future__ import annotations

import errno

from tornado_trio import errors

# Errors by which a peer says that it is gone. They are a way to close, not a failure.
PEER_GONE = tuple(
    getattr(errno, prefix + name)
    for prefix in ("", "WSA")
    for name in ("ECONNRESET", "ECONNABORTED", "EPIPE", "ETIMEDOUT")
    if hasattr(errno, prefix + name)
)


class StreamClosedError(errors.StreamClosedError):
    """The stream is closed. `real_error` is what closed it, if that was an error.

    Raised also by operations that were waiting when it happened. A native StreamClosedError,
    so that native code which lets a client leave in peace knows it.
    """

    def __init__(self, real_error: BaseException | None = None) -> None:
        super().__init__("Stream is closed")
        self.real_error = real_error


class UnsatisfiableReadError(Exception):
    """A read can not succeed: `max_bytes` arrived and what was asked for was not in them.

    The stream is closed with it as the error.
    """


class StreamBufferFullError(Exception):
    """A buffer would grow past `max_buffer_size` or `max_write_buffer_size`."""
