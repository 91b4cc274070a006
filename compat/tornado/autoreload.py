"""Tornado's `autoreload`: the native module, driven by the IOLoop.

    python -m tornado.autoreload [--until-success] [-m MODULE | SCRIPT] [ARGUMENT...]

`Application(debug=True)` and `Application(autoreload=True)` call `start`.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

from tornado import ioloop
from tornado._impl.names import handing_on
from tornado.log import gen_log
from tornado.process import task_id

import tornado_trio.autoreload
from tornado_trio.autoreload import Watcher, file_changed, fit_change
from tornado_trio.autoreload import add_reload_hook as add_reload_hook
from tornado_trio.autoreload import watch as watch

# Loops that are watched. Weakly: tests make loops by the hundred.
_io_loops: weakref.WeakSet[ioloop.IOLoop] = weakref.WeakSet()

# Programs read, fill and replace these, as they do with upstream's of the same names: files are
# added to be watched, hooks are set by hand, True in `_reload_attempted` ends all reloading.
_watched_files = tornado_trio.autoreload._watched_files
_reload_hooks = tornado_trio.autoreload._reload_hooks
_reload_attempted = False

# Knows which modules are loaded.
_watcher = Watcher()
#: What a round of `_reload_on_update` has found so far.
_changed: list[str] = []


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
    modify_times: dict[str, float] = {}
    _look(modify_times)
    _io_loops.add(loop)
    check = ioloop.PeriodicCallback(
        lambda: _reload_on_update(modify_times), check_time, io_loop=io_loop
    )
    check.start()


def _reload_on_update(modify_times: dict[str, float]) -> None:
    """One look at all files; `modify_times` keeps what was seen: {path: seconds}.

    A child of `fork_processes` does not replace itself: it would fork again.
    """
    # Another loop of this process may be faster.
    if _reload_attempted or task_id() is not None:
        return
    _look(modify_times)
    if fit_change(_changed) is not None:
        _reload()


def _look(modify_times: dict[str, float]) -> None:
    _changed.clear()
    for path in _watcher.paths():
        _check_file(modify_times, path)


def _check_file(modify_times: dict[str, float], path: str) -> None:
    """Look at one file. Programs wrap this to leave some files out."""
    if file_changed(modify_times, path):
        _changed.append(path)


def _reload() -> NoReturn:
    global _reload_attempted
    _reload_attempted = True
    tornado_trio.autoreload.reload(_reload_hooks)


def wait() -> None:
    """Block until a file changes, then replace the process; for the end of scripts."""
    modify_times: dict[str, float] = {}
    while True:
        _reload_on_update(modify_times)
        time.sleep(0.5)


def main() -> None:
    """The command line (see above)."""
    tornado_trio.autoreload.main(name="python -m tornado.autoreload")


if __name__ == "__main__":
    # The program finds the module imported under its own name, as if it had started it.
    from tornado import autoreload

    autoreload.main()


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.autoreload")
