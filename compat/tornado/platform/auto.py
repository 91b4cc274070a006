"""What of `interface` this system has. Kept from Tornado 5 for programs that import it."""

import os
from time import monotonic as monotonic_time

if os.name == "nt":
    from tornado.platform.common import Waker
    from tornado.platform.windows import set_close_exec
else:
    from tornado.platform.posix import Waker, set_close_exec

__all__ = ["Waker", "monotonic_time", "set_close_exec"]
