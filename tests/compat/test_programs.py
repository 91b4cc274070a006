"""Whole Tornado programs, unmodified, in a process of their own: they answer, and end."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request

import pytest

from tests.ports import free_port

HANDLERS = """
import asyncio, os, sys
import tornado.gen, tornado.ioloop, tornado.web
import trio

class Plain(tornado.web.RequestHandler):
    def get(self):
        self.write("plain")

class Native(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(0.001)
        self.write("native")

class Coroutine(tornado.web.RequestHandler):
    @tornado.gen.coroutine
    def get(self):
        yield tornado.gen.sleep(0.001)
        self.write("coroutine")

class Both(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(0.001)
        await trio.sleep(0.001)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asyncio.sleep, 0)
        self.write("both")

application = tornado.web.Application([
    (r"/", Plain), (r"/native", Native), (r"/coroutine", Coroutine), (r"/both", Both),
])
port = int(sys.argv[1])
"""

CLASSIC = HANDLERS + """
if __name__ == "__main__":
    application.listen(port)
    tornado.ioloop.IOLoop.current().start()
"""

SINGLETON = HANDLERS + """
if __name__ == "__main__":
    application.listen(port)
    tornado.ioloop.IOLoop.instance().start()
"""

MODERN = HANDLERS + """
async def main():
    application.listen(port)
    await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
"""

NATIVE = """
import sys, trio
from tornado_trio import web
from tornado_trio.server import serve

class Plain(web.RequestHandler):
    def get(self):
        self.write("plain")

class Both(web.RequestHandler):
    async def get(self):
        await trio.sleep(0.001)
        self.write(self.request.path[1:])

application = web.Application([(r"/", Plain), (r"/.*", Both)])
trio.run(serve, application, int(sys.argv[1]))
"""

PROGRAMS = {"classic": CLASSIC, "singleton": SINGLETON, "modern": MODERN, "native": NATIVE}


def get(port, path):
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def running(tmp_path, program, *, overlay=True):
    """The program as a process that listens on a port; `(process, port)`."""
    script = tmp_path / "app.py"
    script.write_text(textwrap.dedent(program))
    port = free_port()
    launcher = ["-m", "compat"] if overlay else []
    process = subprocess.Popen(
        [sys.executable, *launcher, str(script), str(port)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )
    try:
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_program_answers_and_ends_at_once(tmp_path, name, sent):
    with running(tmp_path, PROGRAMS[name], overlay=name != "native") as (process, port):
        assert get(port, "/") == "plain"
        for path in ("native", "coroutine", "both"):
            assert get(port, "/" + path) == path
        process.send_signal(sent)
        _, errors = process.communicate(timeout=10)
    # As upstream's: killed by the signal, be it by way of an uncaught KeyboardInterrupt.
    assert process.returncode == -sent
    assert "abandoned" not in errors
    if name != "native":
        assert "tornado_trio" not in errors, errors
    if sent is signal.SIGTERM:
        assert errors == ""


def test_a_request_in_progress_does_not_hold_up_the_end(tmp_path):
    program = CLASSIC.replace("asyncio.sleep(0.001)", "trio.sleep(60)")
    with running(tmp_path, program) as (process, port):
        assert get(port, "/") == "plain"
        with socket.create_connection(("127.0.0.1", port)) as waiting:
            waiting.sendall(b"GET /native HTTP/1.1\r\nHost: a\r\n\r\n")
            get(port, "/")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert "abandoned" not in errors and "Cancelled" not in errors, errors


def test_sys_exit_in_a_handler_ends_the_program(tmp_path):
    program = CLASSIC.replace('self.write("plain")', "sys.exit(3)")
    with running(tmp_path, program) as (process, port):
        assert get(port, "/native") == "native"
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _, errors = process.communicate(timeout=10)
    assert process.returncode == 3, errors
    # Its line in the access log, as every request has, the line that ended it, and no traceback.
    access, why, *rest = errors.splitlines()
    assert re.fullmatch(r"503 GET / \(127\.0\.0\.1\) [\d.]+ms", access), errors
    assert re.fullmatch(r"the server ends: SystemExit: 3, .*app\.py:8 in Plain\.get", why), errors
    assert not rest


def test_a_child_process_of_the_program_sees_the_overlay(tmp_path):
    program = """
    import subprocess, sys
    import tornado
    code = "import tornado; print(tornado.trio_version)"
    print(subprocess.check_output([sys.executable, "-c", code], text=True).strip())
    """
    script = tmp_path / "app.py"
    script.write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, "-m", "compat", str(script)],
        capture_output=True, text=True, timeout=30, env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    import tornado_trio

    assert done.stdout.strip() == tornado_trio.__version__
