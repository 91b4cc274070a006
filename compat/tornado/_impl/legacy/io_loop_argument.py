"""The `io_loop=` argument that Tornado 5 removed: what it may be.

Everything lives on the current loop of its thread. So the argument is checked, and serves
where a loop is asked for callbacks; it cannot move work into another thread.
"""

from __future__ import annotations

import threading
from typing import Any

from tornado._impl.generation import old_idiom

__all__ = ["checked_loop"]


def checked_loop(io_loop: Any) -> Any:
    """The loop given as `io_loop=`. One that is to become current later is fine.

    Raises:
        TypeError: not an IOLoop.
        RuntimeError: the loop is closed, or is running in another thread.
    """
    old_idiom("io_loop= argument")
    if not hasattr(io_loop, "add_callback"):
        raise TypeError(f"io_loop must be an IOLoop, not {io_loop!r}")
    host = getattr(io_loop, "asyncio_loop", None)
    if host is None:
        return io_loop
    if host.is_closed():
        raise RuntimeError(f"io_loop={io_loop!r} is closed")
    if host.is_running() and io_loop._thread_identity != threading.get_ident():
        raise RuntimeError(
            f"io_loop={io_loop!r} is running in another thread; hand the work over with its "
            "add_callback"
        )
    return io_loop
