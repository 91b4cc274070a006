"""Where a plain trio run keeps its IOLoop. A module of its own, since its body needs trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from tornado.ioloop import IOLoop

__all__ = ["loop_of_run"]

loop_of_run: trio.lowlevel.RunVar[IOLoop | None] = trio.lowlevel.RunVar("tornado.ioloop", None)
