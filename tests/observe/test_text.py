"""The same in a terminal: `tornado-trio inspect`, SIGUSR1, and under Tornado's own API."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.service.processes import ROOT, SERVE, get, service

from .test_metrics import scrape, value
from .test_page import APP, ask

INSPECT = (sys.executable, "-m", "tornado_trio", "inspect")


def inspect(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*INSPECT, *arguments], capture_output=True, text=True, timeout=60, cwd=ROOT
    )


def until(address: str, *arguments: str, has: str) -> str:
    """What is shown, once it has a text."""
    deadline = time.monotonic() + 20
    while True:
        done = inspect(*arguments, address)
        if has in done.stdout:
            return done.stdout
        assert time.monotonic() < deadline, done.stdout + done.stderr


def test_inspect(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    options = ("--port=0", f"--inspect=127.0.0.1:{port}")
    with service(*SERVE, "app:app", *options, cwd=tmp_path) as process:
        with ask(process.url(), "/stuck"):
            text = until(f"127.0.0.1:{port}", "--find", "moon", has="wait_for_the_moon")
            assert "GET /stuck" in text and "app.py:" in text
            framed = until(f"http://127.0.0.1:{port}/", "--frames", has="in Stuck.get")
            assert len(framed) > len(text)


def test_inspect_says_what_is_wrong(tmp_path: Path) -> None:
    refused = inspect(f"127.0.0.1:{free_port()}")
    assert refused.returncode == 1 and "refused" in refused.stderr
    for arguments in ((), ("--such",), ("a", "b"), ("--find",)):
        done = inspect(*arguments)
        assert done.returncode == 2 and "usage" in done.stderr
    assert inspect("--help").returncode == 0


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no such signal")
def test_sigusr1(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    options = ("--port=0", f"--inspect=127.0.0.1:{free_port()}")
    with service(*SERVE, "app:app", *options, cwd=tmp_path) as process:
        with ask(process.url(), "/stuck"):
            process.popen.send_signal(signal.SIGUSR1)
            process.wait_for(r"GET /stuck #\w+")
            process.wait_for(r"wait_for_the_moon")


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no such signal")
@pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="workers need a Unix system")
def test_sigusr1_to_the_parent_shows_all_workers(tmp_path: Path) -> None:
    """Each once, on its own standard error, with what waits in it."""
    (tmp_path / "app.py").write_text(APP)
    options = ("--port=0", "--workers=2", f"--inspect=127.0.0.1:{free_port()}")
    with service(*SERVE, "app:app", *options, cwd=tmp_path) as process:
        url = process.url()
        process.wait_for("2 workers are ready")
        with contextlib.ExitStack() as asked:
            for _ in range(8):  # so that both have some
                asked.enter_context(ask(url, "/stuck"))
            process.popen.send_signal(signal.SIGUSR1)
            numbers = {process.wait_for(r"^worker (\d)")[1]}
            process.wait_for(r"wait_for_the_moon")
            numbers.add(process.wait_for(r"^worker (\d)")[1])
            process.wait_for(r"wait_for_the_moon")
            assert numbers == {"1", "2"}
        process.popen.send_signal(signal.SIGTERM)
        assert process.wait() == 0  # the parent had taken the signal as nothing else


SLOW = """
import time
import tornado.ioloop, tornado.web


class Hello(tornado.web.RequestHandler):
    def get(self):
        time.sleep(0.6)


def sweep():
    time.sleep(0.5)
    tornado.ioloop.IOLoop.current().call_later(0.2, sweep)


if __name__ == "__main__":
    tornado.web.Application([("/hello", Hello)], debug=DEBUG).listen(PORT, "127.0.0.1")
    tornado.ioloop.IOLoop.current().add_callback(sweep)
    print("listening")
    tornado.ioloop.IOLoop.current().start()
"""


def test_debug_mode_of_tornados_names_what_holds_the_loop(tmp_path: Path) -> None:
    own = free_port()
    (tmp_path / "slow.py").write_text(SLOW.replace("PORT", str(own)).replace("DEBUG", "True"))
    with service("-m", "tornado_trio", "run", "slow.py", cwd=tmp_path) as process:
        process.wait_for("listening")
        process.wait_for(r"the loop was held for \d+ ms by .*slow.py:\d+ in sweep")
        get(f"http://127.0.0.1:{own}/hello")
        process.wait_for(
            r"the loop was held for \d+ ms by .*slow.py:\d+ in Hello.get, .*: GET /hello"
        )


OLD = """
import tornado.gen, tornado.ioloop, tornado.locks, tornado.web

moon = tornado.locks.Event()
star = tornado.locks.Event()


class Stuck(tornado.web.RequestHandler):
    async def get(self):
        self.write("begun")
        await self.flush()
        await wait_for_the_moon()

    def on_connection_close(self):
        moon.set()


class Older(tornado.web.RequestHandler):
    @tornado.gen.coroutine
    def get(self):
        self.write("begun")
        yield self.flush()
        yield wait_as_in_tornado_4()

    def on_connection_close(self):
        star.set()


@tornado.gen.coroutine
def wait_as_in_tornado_4():
    yield star.wait()


async def wait_for_the_moon():
    await moon.wait()


def sweep():
    pass


if __name__ == "__main__":
    routes = [("/stuck", Stuck), ("/older", Older)]
    server = tornado.web.Application(routes).listen(PORT, "127.0.0.1")
    tornado.ioloop.PeriodicCallback(sweep, 60000).start()
    print("listening")
    tornado.ioloop.IOLoop.current().start()
"""


def test_a_program_of_tornados(tmp_path: Path) -> None:
    port, own = free_port(), free_port()
    (tmp_path / "old.py").write_text(OLD.replace("PORT", str(own)))
    command = ("-m", "tornado_trio", "run")
    address = f"127.0.0.1:{port}"
    with service(*command, f"--inspect={address}", "old.py", cwd=tmp_path) as process:
        process.wait_for("listening")
        with ask(f"http://127.0.0.1:{own}", "/stuck"):
            text = until(address, has="wait_for_the_moon")
            assert "old.py:" in text and "GET /stuck" in text
        whole = until(address, has="PeriodicCallback sweep")
        assert "old.py:" in whole
        with ask(f"http://127.0.0.1:{own}", "/older"):
            text = until(address, "--find", "tornado_4", has="wait_as_in_tornado_4")
            assert "GET /older" in text and "old.py:" in text
        deadline = time.monotonic() + 20
        while value(scrape(port), "tornado_http_requests_in_progress"):
            assert time.monotonic() < deadline
        assert value(scrape(port), "tornado_http_requests_total", route="/stuck") == 1
