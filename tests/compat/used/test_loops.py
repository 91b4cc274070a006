"""What programs take from loops: how much is left to do, which one it is, timers."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import tornado.web
from tornado import autoreload
from tornado.ioloop import IOLoop, PeriodicCallback

from .programs import Site, in_loop, old_program, until


def test_callbacks_and_timeouts() -> None:
    """The recipe for stopping when nothing is left to do."""
    old_program("""
import time
from tornado.ioloop import IOLoop

loop = IOLoop.instance()
order = []
deadline = time.time() + 20

def stop_loop():
    if time.time() < deadline and (loop._callbacks or loop._timeouts):
        loop.add_timeout(time.time() + 0.01, stop_loop)
    else:
        order.append("stop")
        loop.stop()

loop.add_timeout(time.time() + 0.05, lambda: order.append("work"))
loop.add_callback(stop_loop)
loop.start()
assert order == ["work", "stop"], order
""")


def test_running() -> None:
    old_program("""
from tornado.ioloop import IOLoop

loop = IOLoop.instance()
seen = []
loop.add_callback(lambda: (seen.append(loop._running), loop.stop()))
if not loop._running:
    loop.start()
assert seen == [True] and not loop._running
""")


def test_handlers_of_4() -> None:
    old_program("""
import tornado.httpserver, tornado.ioloop, tornado.testing, tornado.web

loop = tornado.ioloop.IOLoop.current()
before = len(loop._handlers)
listener, port = tornado.testing.bind_unused_port()
server = tornado.httpserver.HTTPServer(tornado.web.Application())
server.add_socket(listener)
assert len(loop._handlers) == before + 1
assert listener.fileno() in loop._handlers
server.stop()
assert len(loop._handlers) == before
""")


def test_instance() -> None:
    old_program("""
from tornado.ioloop import IOLoop

first = IOLoop.instance()
assert hasattr(IOLoop, "_instance") and IOLoop._instance is first
first.close(all_fds=True)
del IOLoop._instance
assert not IOLoop.initialized()
""")


def test_closing() -> None:
    old_program("""
from tornado.ioloop import IOLoop

loop = IOLoop.current()
assert not loop._closing
loop.close()
assert loop._closing
""")


@in_loop
async def test_stopped() -> None:
    loop = IOLoop.current()
    loop._stopped = False  # type: ignore[attr-defined]
    ran = asyncio.Event()
    loop.add_callback(ran.set)
    await ran.wait()


def test_thread_ident() -> None:
    old_program("""
import threading
from tornado.ioloop import IOLoop

loop = IOLoop.current()
seen = []
try:
    from thread import get_ident
except ImportError:
    from threading import get_ident
loop.add_callback(lambda: (seen.append(loop._thread_ident == get_ident()), loop.stop()))
loop.start()
assert seen == [True]
""")


def test_current() -> None:
    old_program("""
from tornado.ioloop import IOLoop

loop = IOLoop.current()
loop.make_current()
assert IOLoop._current.instance is loop
del IOLoop._current.instance
other = IOLoop()
other.make_current()
assert IOLoop._current.instance is other is IOLoop.current()
""")


@in_loop
async def test_ioloop_for_asyncio() -> None:
    loop = IOLoop.current()
    assert IOLoop._ioloop_for_asyncio[asyncio.get_running_loop()] is loop  # type: ignore[attr-defined]


@in_loop
async def test_handlers() -> None:
    """Wait for the last connection: what is listened on and connected is among the handlers."""

    class Page(tornado.web.RequestHandler):
        def get(self) -> None:
            self.write("x")

    loop = IOLoop.current()
    assert len(loop.handlers) == 0  # type: ignore[attr-defined]
    site = Site([("/", Page)])
    async with site:
        (fd,) = loop.handlers  # type: ignore[attr-defined]
        assert loop.handlers[fd][0].getsockname()[1] == site.port  # type: ignore[attr-defined]
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.readuntil(b"\r\n\r\nx")
        assert len(loop.handlers) == 2  # type: ignore[attr-defined]
        site.server.stop()
        assert len(loop.handlers) == 1  # type: ignore[attr-defined]
        writer.close()
        await writer.wait_closed()
        await until(lambda: not len(loop.handlers))  # type: ignore[attr-defined]


def test_poll_timeout() -> None:
    old_program("""
import tornado.ioloop

tornado.ioloop._POLL_TIMEOUT = 0.01
loop = tornado.ioloop.IOLoop.current()
loop.add_callback(loop.stop)
loop.start()
""")


@in_loop
async def test_periodic_callback_overridden() -> None:
    """A timer for a time of the day counts by itself when it is due."""
    seen: list[str] = []
    done = asyncio.Event()

    class Own(PeriodicCallback):
        def _schedule_next(self) -> None:
            if self._running:
                seen.append("next")
                self._next_timeout = self.io_loop.time() + 0.001
                self._timeout = self.io_loop.add_timeout(self._next_timeout, self._run)

        async def _run(self) -> None:
            seen.append("run")
            if len(seen) >= 4:
                done.set()
            await super()._run()

        def _update_next(self, current_time: float) -> None:
            seen.append("update")
            super()._update_next(current_time)

    timer = Own(lambda: None, 3_600_000)
    assert not timer._running
    timer.start()
    assert timer._running and timer._timeout is not None
    await done.wait()
    timer.stop()
    assert seen[:3] == ["next", "run", "next"]


# --- autoreload ------------------------------------------------------------------------------
def test_reload_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    restarted: list[int] = []
    monkeypatch.setattr(autoreload, "_reload", lambda: restarted.append(1))
    autoreload._reload()
    assert restarted == [1]


def in_a_process(tmp_path: Path, code: str) -> str:
    """What a program says that may be replaced once, by itself."""
    path = tmp_path / "program.py"
    path.write_text("import compat\n" + code)
    ended = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_reload_attempted(tmp_path: Path) -> None:
    """True: there is no reloading, whatever changes."""
    assert (
        in_a_process(
            tmp_path,
            """
import os, sys
from tornado import autoreload
watched = __file__ + ".txt"
open(watched, "w").close()
autoreload.watch(watched)
times = {}
autoreload._reload_on_update(times)
os.utime(watched, (1, 1))
autoreload._reload_attempted = True
autoreload._reload_on_update(times)
print("still here")
""",
        )
        == "still here\n"
    )


def test_reload_hooks(tmp_path: Path) -> None:
    said = in_a_process(
        tmp_path,
        """
import os, sys
from tornado import autoreload
autoreload._reload_hooks.append(lambda: (print("hook", flush=True), os._exit(0)))
autoreload._reload()
""",
    )
    assert said == "hook\n"


def test_check_file_wrapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(autoreload, "_check_file", lambda times, path: asked.append(path))
    monkeypatch.setattr(autoreload, "_reload_attempted", False)
    autoreload._reload_on_update({})
    assert any(path.endswith("test_loops.py") for path in asked)


def test_watched_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restarted: list[int] = []
    monkeypatch.setattr(autoreload, "_reload", lambda: restarted.append(1))
    monkeypatch.setattr(autoreload, "_reload_attempted", False)
    page = tmp_path / "page.html"
    page.write_text("1")
    times: dict[str, float] = {}
    autoreload._watched_files.add(str(page))
    try:
        autoreload._reload_on_update(times)
        assert times[str(page)] == page.stat().st_mtime and not restarted
    finally:
        autoreload._watched_files.discard(str(page))


def test_reload_on_update(tmp_path: Path) -> None:
    """A watcher on asyncio's loop."""
    said = in_a_process(
        tmp_path,
        """
import asyncio, os
from tornado import autoreload
watched = __file__ + ".txt"
open(watched, "w").close()
autoreload.watch(watched)
autoreload.add_reload_hook(lambda: (print("reloads", flush=True), os._exit(0)))

async def main():
    times = {}
    for turn in range(3):
        autoreload._reload_on_update(times)
        os.utime(watched, (turn + 1, turn + 1))
        await asyncio.sleep(0.01)

asyncio.run(main())
""",
    )
    assert said == "reloads\n"
