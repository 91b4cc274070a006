"""What of `interface` this system has. Kept from Tornado 5 for programs that import it."""

import os
from time import monotonic as monotonic_time
from typing import TYPE_CHECKING

from tornado._impl.names import handing_on

if os.name == "nt":
    from tornado.platform.common import Waker
    from tornado.platform.windows import set_close_exec
else:
    from tornado.platform.posix import Waker, set_close_exec

__all__ = ["Waker", "monotonic_time", "set_close_exec"]

if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.platform.auto")
