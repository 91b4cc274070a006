"""Windows: descriptors and child programs. Kept from Tornado 5."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

from tornado._impl.names import handing_on

SetHandleInformation = ctypes.windll.kernel32.SetHandleInformation  # type: ignore[attr-defined, unused-ignore]
HANDLE_FLAG_INHERIT = 0x00000001


def set_close_exec(fd: int) -> None:
    """Do not let child processes inherit the descriptor."""
    os.set_handle_inheritable(fd, False)  # type: ignore[attr-defined, unused-ignore]


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.platform.windows")
