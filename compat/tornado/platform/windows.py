"""Windows: descriptors and child programs. Kept from Tornado 5."""

from __future__ import annotations

import ctypes
import os

SetHandleInformation = ctypes.windll.kernel32.SetHandleInformation  # type: ignore[attr-defined]
HANDLE_FLAG_INHERIT = 0x00000001


def set_close_exec(fd: int) -> None:
    """Do not let child processes inherit the descriptor."""
    os.set_handle_inheritable(fd, False)  # type: ignore[attr-defined]
