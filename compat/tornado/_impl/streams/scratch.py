"""A receive buffer for all streams of a thread. Leaf."""

from __future__ import annotations

import threading


class _Scratch(threading.local):
    """Where chunks are received before they are appended: one per thread, as large as asked.

    A buffer per stream would cost every idle connection 64 KiB, a new one per read its
    allocation and zeroing.
    """

    def __init__(self) -> None:
        self.buffer = bytearray(64 * 1024)


scratch = _Scratch()
