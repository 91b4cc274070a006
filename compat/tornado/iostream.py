"""`tornado.iostream`: non-blocking reading and writing of sockets and pipes."""

from typing import TYPE_CHECKING

from tornado._impl.names import handing_on, listing, shown_in
from tornado._impl.streams.errors import (
    StreamBufferFullError,
    StreamClosedError,
    UnsatisfiableReadError,
)
from tornado.log import gen_log as gen_log

if TYPE_CHECKING:
    from tornado._impl.streams.base import BaseIOStream
    from tornado._impl.streams.kinds import IOStream, PipeIOStream, SSLIOStream


def doctests() -> object:
    """This module's doctests, for unittest: there are none."""
    import doctest

    return doctest.DocTestSuite()


__all__ = [
    "BaseIOStream",
    "IOStream",
    "PipeIOStream",
    "SSLIOStream",
    "StreamBufferFullError",
    "StreamClosedError",
    "UnsatisfiableReadError",
]

shown_in(
    "tornado.iostream",
    StreamBufferFullError,
    StreamClosedError,
    UnsatisfiableReadError,
)

if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.iostream")
    __dir__ = listing("tornado.iostream")
