"""What `tornado.platform.auto` offers, described. Kept from Tornado 5 for programs that import
it."""

from __future__ import annotations

import time


def set_close_exec(fd: int) -> None:
    """Close the descriptor when another program is executed."""
    raise NotImplementedError


class Waker:
    """Makes a loop that waits in select() return: something becomes readable."""

    def fileno(self) -> int:
        """What to wait for."""
        raise NotImplementedError

    def write_fileno(self) -> int:
        """The other end."""
        raise NotImplementedError

    def wake(self) -> None:
        """Make it readable. From any thread."""
        raise NotImplementedError

    def consume(self) -> None:
        """Make it unreadable again."""
        raise NotImplementedError

    def close(self) -> None:
        """Close both ends."""
        raise NotImplementedError


def monotonic_time() -> float:
    """Seconds on a clock that is never set back."""
    return time.monotonic()
