"""Tornado's `autoreload`: the native module, driven by the IOLoop.

    python -m tornado.autoreload [--until-success] [-m MODULE | SCRIPT] [ARGUMENT...]

`Application(debug=True)` and `Application(autoreload=True)` call `start`.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from tornado import ioloop
from tornado._impl.names import handing_on
from tornado.log import gen_log

import tornado_trio.autoreload
from tornado_trio.autoreload import Watcher, find_change
from tornado_trio.autoreload import add_reload_hook as add_reload_hook
from tornado_trio.autoreload import reload as _reload
from tornado_trio.autoreload import watch as watch

# Loops that are watched. Weakly: tests make loops by the hundred.
_io_loops: weakref.WeakSet[ioloop.IOLoop] = weakref.WeakSet()


def start(check_time: Any = 500, io_loop: Any = None) -> None:
    """Look for changed source every `check_time` milliseconds while the loop runs.

    The process is replaced at the first change. Tornado 4's order, `(io_loop, check_time)`,
    is understood too.
    """
    if check_time is None or isinstance(check_time, ioloop.IOLoop):
        check_time, io_loop = (500 if io_loop is None else io_loop), check_time
    loop = io_loop or ioloop.IOLoop.current()
    if loop in _io_loops:
        return
    if _io_loops:
        gen_log.warning("tornado.autoreload started more than once in the same process")
    watcher = Watcher()
    watcher.changed()

    def check() -> None:
        # Another loop of this process may be faster.
        if not tornado_trio.autoreload.reload_attempted() and find_change(watcher) is not None:
            _reload()

    _io_loops.add(loop)
    ioloop.PeriodicCallback(check, check_time, io_loop=io_loop).start()


def wait() -> None:
    """Block until a file changes, then replace the process; for the end of scripts."""
    tornado_trio.autoreload.wait()


def main() -> None:
    """The command line (see above)."""
    tornado_trio.autoreload.main(name="python -m tornado.autoreload")


if __name__ == "__main__":
    # The program finds the module imported under its own name, as if it had started it.
    from tornado import autoreload

    autoreload.main()


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.autoreload")
