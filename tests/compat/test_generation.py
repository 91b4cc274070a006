"""The switch of generations, each in a process of its own; the report of old idioms."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.children import ending
from tests.python import python

ROOT = Path(__file__).parent.parent.parent


def run(*command: str, generation: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return python(*command, TORNADO_TRIO_GENERATION=generation, **env)


def evaluate(code: str, generation: str = "") -> str:
    ended = run("-c", "import compat\n" + code, generation=generation)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.parametrize(
    ("generation", "info"),
    [
        ("", "6.6.1 (6, 6, 1, 0)"),
        ("5.1.1", "5.1.1 (5, 1, 1, 0)"),
        ("4.5", "4.5.3 (4, 5, 3, 0)"),
        ("3.2.1", "3.2.1 (3, 2, 1, 0)"),
    ],
)
def test_version(generation: str, info: str) -> None:
    code = "import tornado; print(tornado.version, tornado.version_info)"
    assert evaluate(code, generation) == info


@pytest.mark.parametrize("generation", ["7", "4.5.x", "1.2", "four"])
def test_no_such_generation(generation: str) -> None:
    ended = run("-c", "import compat, tornado", generation=generation)
    assert "not a release of Tornado" in ended.stderr


def test_activate() -> None:
    code = """
    compat.activate(generation="5.1")
    import os, tornado
    print(tornado.version, os.environ["TORNADO_TRIO_GENERATION"])
    compat.activate(generation="5.1.1")
    for wrong in ("4.5", "11"):
        try:
            compat.activate(generation=wrong)
        except ImportError as error:
            print(error)
    print(os.environ["TORNADO_TRIO_GENERATION"])
    """.replace("\n    ", "\n")
    first, late, unknown, last = evaluate(code).splitlines()
    assert first == "5.1.1 5.1"
    assert "answers for 5.1.1, not 4.5.3" in late
    assert "not a release" in unknown
    assert last == "5.1.1"


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ('tornado.escape.xhtml_escape("\'")', {"6.6": "&#x27;", "5.1": "&#39;", "4.5": "&#39;"}),
        ("at_once()", {"6.6": "False", "5.1": "False", "4.5": "True"}),
        (
            'tornado.httputil.HTTPHeaders.parse("A: b\\r\\n c\\r\\n")["a"]',
            {"6.6": "HTTPInputError", "5.1": "b c", "4.5": "b c"},
        ),
        ("second_loop()", {"6.6": "True", "5.1": "False", "4.5": "False"}),
        ("unknown_status()", {"6.6": "None", "5.1": "None", "4.5": "ValueError"}),
        ("instance_in_a_thread()", {"6.6": "False", "5.1": "False", "4.5": "True"}),
        ("client_of_the_loop()", {"6.6": "False", "5.1": "False", "4.5": "True"}),
        ("dict_verifies()", {"6.6": "True", "5.1": "False", "4.5": "False"}),
    ],
)
def test_contradictions(expression: str, values: dict[str, str]) -> None:
    code = f"""
import asyncio, ssl, threading
import tornado.escape, tornado.httpclient, tornado.httputil, tornado.netutil, tornado.web
from tornado.concurrent import Future
from tornado.ioloop import IOLoop

def at_once():
    future, called = Future(loop=asyncio.new_event_loop()), []
    future.add_done_callback(called.append)
    future.set_result(1)
    return bool(called)

def second_loop():
    first, second = IOLoop(), IOLoop()
    return IOLoop.current() is second

def unknown_status():
    handler = tornado.web.RequestHandler.__new__(tornado.web.RequestHandler)
    handler.set_status(799)

def instance_in_a_thread():
    found = [IOLoop.instance()]
    thread = threading.Thread(target=lambda: found.append(IOLoop.instance()))
    thread.start()
    thread.join()
    return found[0] is found[1]

def client_of_the_loop():
    loop = IOLoop.current()
    return tornado.httpclient.AsyncHTTPClient(loop) is tornado.httpclient.AsyncHTTPClient()

def dict_verifies():
    context = tornado.netutil.ssl_options_to_context({{}}, server_side=False)
    return context.verify_mode == ssl.CERT_REQUIRED

try:
    print({expression})
except Exception as error:
    print(type(error).__name__)
"""
    for generation, value in values.items():
        assert evaluate(code, generation) == value, generation


PROGRAM = """\
from tornado import gen, ioloop, web


class Handler(web.RequestHandler):
    @web.asynchronous
    def get(self):
        pass


@gen.engine
def main():
    yield gen.Task(loop.add_callback)
    loop.stop()


loop = ioloop.IOLoop.instance()
main()
loop.start()
"""


def test_report(tmp_path: Path) -> None:
    program = tmp_path / "old.py"
    program.write_text(PROGRAM)
    ended = run("-m", "compat", "--report", "--generation", "4.5", str(program))
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.splitlines() == [
        "3 old idioms of Tornado before 6 in use:",
        f"{program}:5: @asynchronous",
        f"{program}:10: gen.engine",
        f"{program}:12: gen.Task",
    ]
    # The same as warnings, for those who have their own ways with warnings.
    ended = run("-W", "error:gen.Task", "-m", "compat", str(program))
    assert "OldIdiomWarning: gen.Task: gone since Tornado 6" in ended.stderr
    assert run("-m", "compat", str(program)).stderr == ""


def test_launcher_options() -> None:
    version = "import tornado; print(tornado.version)"
    assert run("-m", "compat", "--generation=5.1", "-c", version).stdout == "5.1.1\n"
    for wrong in (["--generation"], ["--generation", "9", "-c", version]):
        ended = run("-m", "compat", *wrong)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "error:" in ended.stderr


TERMINATED = """\
import os, signal, sys, threading
from tornado import gen, ioloop
loop = ioloop.IOLoop.current()
@gen.engine
def main():
    yield gen.sleep(0.01)
    print("up", flush=True)
main()
if "own" in sys.argv:
    signal.signal(signal.SIGTERM, lambda *args: loop.add_callback_from_signal(loop.stop))
loop.start()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "own"), [(15, False), (1, False), (2, False), (15, True)])
def test_report_of_a_program_that_is_ended_by_a_signal(
    tmp_path: Path, number: int, own: bool
) -> None:
    program = tmp_path / "old.py"
    program.write_text(TERMINATED)
    command = [sys.executable, "-m", "compat", "--report", str(program), *(["own"] if own else [])]
    with ending(
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        _, shown = process.communicate(timeout=30)
    assert shown.count("1 old idiom of Tornado before 6 in use:\n") == 1
    assert f"{program}:4: gen.engine" in shown
    assert process.returncode == (0 if own else -number)


def test_plugins_that_look_for_tornado_find_it(tmp_path: Path) -> None:
    asked = (
        "from importlib.metadata import distribution, version; d = distribution('tornado');"
        "print(version('tornado'), d.version, d.metadata['Name'])"
    )
    assert evaluate(asked) == "6.6.1 6.6.1 tornado"
    assert evaluate("import tornado; " + asked, "4.5") == "4.5.3 4.5.3 tornado"
    assert run("-m", "compat", "--generation", "5.1", "-c", asked).stdout.startswith("5.1.1 5.1.1")
    overlay = str(ROOT / "compat")
    assert run("-c", asked, PYTHONPATH=overlay).stdout.startswith("6.6.1")
    # What it says of itself, and that nobody takes it for something that was installed.
    text = "from importlib.metadata import distribution as d; "
    assert "Not Tornado" in evaluate(text + "print(d('tornado').metadata['Summary'])")
    assert evaluate(text + "print(d('tornado').files, d('tornado').requires)") == (
        "None ['tornado-trio']"
    )
    assert evaluate("import tornado; " + text + "print(tornado.version == d('tornado').version)")


LOOPS = """
import threading
from tornado.ioloop import IOLoop

assert IOLoop.current(instance=False) is None
own = IOLoop()
own.make_current()
print(IOLoop.initialized())
own.stop()
own.add_callback(print, "called")
own.start()
own.stop()
own.close()
try:
    own.start()
    print("returned")
except RuntimeError as error:
    print(error)
loop = IOLoop.current()
print(IOLoop.initialized())
found = []
thread = threading.Thread(target=lambda: found.append(IOLoop.current()))
thread.start()
thread.join()
print(found[0] is loop)
if found[0] is not loop:
    found[0].close()
IOLoop.clear_instance()
print(IOLoop.initialized())
IOLoop.instance().close()
"""


def test_the_singleton_and_loops_stopped_early() -> None:
    assert evaluate(LOOPS, "4.5").splitlines() == ["False", "returned", "True", "True", "False"]
    assert evaluate(LOOPS).splitlines() == [
        "True", "called", "Event loop is closed", "True", "False", "True"
    ]  # fmt: skip


CHAT = """
update me <b>me: &lt;hello&gt;</b>
update me <b>me: &lt;hello&gt;</b>
page <b>me: &lt;hello&gt;</b>
/google 500
/google?elsewhere=1 302 http://provider.test/openid
/google?openid.mode=id_res 500
/facebook 200 no stream
/facebook?session=x 200 no user
/friendfeed 500
"""


@pytest.mark.parametrize("generation", ["2.4", "3.2", ""])
def test_a_chat_of_its_time(generation: str) -> None:
    """Everything but the providers, which are gone and said to be."""
    ended = run("-W", "ignore", "-m", "tests.compat.old_chat", generation=generation)
    assert [line.strip() for line in ended.stdout.strip().splitlines()] == CHAT.split("\n")[1:-1]
    for name in ("GoogleMixin", "FacebookMixin", "FriendFeedMixin"):
        assert f"{name}: " in ended.stderr
    report = run("-m", "compat", "--report", "tests/compat/old_chat.py", generation=generation)
    assert "tornado.auth.GoogleMixin" in report.stderr


def test_the_database_module_names_its_package() -> None:
    code = """
    import tornado.database
    try:
        tornado.database.Connection
    except AttributeError as error:
        print(error)
    """.replace("\n    ", "\n")
    assert "torndb" in evaluate(code, "2.4")
