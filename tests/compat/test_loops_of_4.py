"""Attributes of Tornado 4's loops as programs for it read them, in a process of that generation."""

from __future__ import annotations

from tests.python import python

BEGIN = """
import compat
import socket, threading, time
from tornado.ioloop import IOLoop
"""


def run(code: str) -> None:
    ended = python("-c", BEGIN + code, TORNADO_TRIO_GENERATION="4.5")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_stop_when_nothing_is_left_to_do() -> None:
    run("""
loop = IOLoop.current()
order = []

def try_to_stop():
    if loop._callbacks or loop._timeouts:
        order.append("waits")
        loop.add_timeout(loop.time() + 0.01, try_to_stop)
    else:
        order.append("stops")
        loop.stop()

loop.add_timeout(loop.time() + 0.05, lambda: order.append("work"))
loop.add_callback(try_to_stop)
loop.start()
assert order[0] == "waits" and order[-1] == "stops", order
assert "work" in order
loop.close()
assert loop._callbacks is None and loop._timeouts is None and loop._closing
""")


def test_other_generations_say_where_they_are() -> None:
    """Where programs ask by `hasattr`, the answer stays no."""
    ended = python(
        "-c",
        BEGIN
        + """
loop = IOLoop.current()
assert not hasattr(loop, "_timeouts") and not hasattr(loop, "_another")
try:
    loop._callbacks
except AttributeError as error:
    print(error)
""",
    )
    assert ended.stderr == ""
    assert "no attribute '_callbacks': Tornado 4's loops had it" in ended.stdout
    assert ended.stdout.endswith("--generation 4.5\n")


def test_whether_and_where_it_runs() -> None:
    run("""
loop = IOLoop.current()
assert not loop._running and not loop._closing and loop._thread_ident is None
seen = []

def look():
    seen.append((loop._running, loop._thread_ident == threading.get_ident()))
    loop.stop()

loop.add_callback(look)
loop.start()
assert seen == [(True, True)], seen
assert not loop._running
""")


def test_handlers() -> None:
    run("""
loop = IOLoop.current()
left, right = socket.socketpair()
loop.add_handler(left.fileno(), lambda fd, events: None, loop.READ)
assert list(loop._handlers) == [left.fileno()] and len(loop._handlers) == 1
loop.remove_handler(left.fileno())
assert not loop._handlers
""")


def test_the_singleton_is_deleted() -> None:
    run("""
assert not hasattr(IOLoop, "_instance")
first = IOLoop.instance()
assert IOLoop._instance is first and IOLoop.initialized()
del IOLoop._instance
assert not IOLoop.initialized()
own = IOLoop(make_current=False)
own.install()
assert IOLoop._instance is own is IOLoop.instance()
IOLoop.clear_instance()
assert not hasattr(IOLoop, "_instance")
""")


def test_the_loop_of_a_thread() -> None:
    run("""
loop = IOLoop.current()
assert IOLoop._current.instance is loop
IOLoop._current.instance = None
assert IOLoop.current(instance=False) is None
other = IOLoop(make_current=False)
IOLoop._current.instance = other
assert IOLoop.current() is other
del IOLoop._current.instance
assert IOLoop._current.instance is None
""")
