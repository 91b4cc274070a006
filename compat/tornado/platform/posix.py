"""Unix: a `Waker` over a pipe. Kept from Tornado 5."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tornado._impl.names import handing_on
from tornado.platform import common
from tornado.platform.common import set_close_exec as set_close_exec

from tornado_trio._util.system import unblock


class Waker(common.Waker):
    """Writes a byte to a pipe."""

    def __init__(self) -> None:
        read, write = os.pipe()
        unblock(read)
        unblock(write)
        self.reader: Any = os.fdopen(read, "rb", 0)
        self.writer: Any = os.fdopen(write, "wb", 0)

    def wake(self) -> None:
        try:
            self.writer.write(b"x")
        except (OSError, ValueError):
            pass  # full: it is already readable; closed: there is nothing to wake

    def consume(self) -> None:
        try:
            while self.reader.read(1024):
                pass
        except OSError:
            pass  # empty now


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.platform.posix")
