"""Processes that tests start, and wait for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import AnyStr


@contextmanager
def ending(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """Wait for `process` at the end of the block; if the block fails, kill it first.

    `with process:` would wait for ever then, past the test's own time: that is over when it begins
    to wait.
    """
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
