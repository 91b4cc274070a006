"""`--reload`: what changed is served, whatever was saved in between, and nobody is refused."""

from __future__ import annotations

import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from tornado_trio.service.reload import changes

from .processes import APP, PATIENCE, SERVE, get, service

pytestmark = [
    pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="workers need a Unix system"),
    pytest.mark.timeout(180),
]


class Browser(threading.Thread):
    """Connects again and again, and counts how often it is refused."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.refused = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.01):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE).close()
            except OSError:
                self.refused += 1


@pytest.mark.parametrize("watcher", ["watchfiles", "ours"])
def test_changes_are_served(tmp_path: Path, watcher: str) -> None:
    if watcher == "ours":
        (tmp_path / "watchfiles.py").write_text("raise ImportError\n")
    else:
        pytest.importorskip("watchfiles")
    program = tmp_path / "app.py"
    program.write_text(APP)
    (tmp_path / "part.py").write_text("word = 'part'\n")
    with service(*SERVE, "app:app", "--reload", "--port=0", cwd=tmp_path) as process:
        url = process.url()
        process.wait_for("1 worker is ready")
        browser = Browser(int(url.rpartition(":")[2]))
        browser.start()
        assert get(url).startswith("hello")

        program.write_text(APP.replace("hello", "hola"))
        process.wait_for(r"app\.py.* changed: starting again")
        assert get(url).startswith("hola")  # it waits for the new one

        program.write_text(APP + "x = (\n")
        process.wait_for(r"app\.py changed, but cannot be loaded: .*was never closed")
        assert get(url).startswith("hola")

        program.write_text("import part\nimport nothing_of_this_name\n" + APP)
        process.wait_for("ModuleNotFoundError: No module named 'nothing_of_this_name'")
        process.wait_for("waiting for a change")

        program.write_text("import part\n" + APP.replace("hello", "{part.word}"))
        process.wait_for(r"app\.py.* changed: starting again")
        assert get(url).startswith("part")

        (tmp_path / "part.py").write_text("word = 'another'\n")
        process.wait_for(r"part\.py.* changed: starting again")
        assert get(url).startswith("another")

        browser.over.set()
        browser.join(PATIENCE)
        assert browser.refused == 0
        process.signal(signal.SIGINT)
        assert process.wait() == 0


def test_a_program_that_never_loaded_is_waited_for(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text("1 / 0\n")
    with service(*SERVE, "app:app", "--reload", "--port=0", cwd=tmp_path) as process:
        process.wait_for("ZeroDivisionError")
        process.wait_for("waiting for a change")
        program.write_text(APP)
        assert get(process.url()).startswith("hello")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


def test_a_long_request_does_not_hold_it_up(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text(APP)
    with service(*SERVE, "app:app", "--reload", "--port=0", cwd=tmp_path) as process:
        url = process.url()
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as sock:
            sock.sendall(b"GET /?s=600 HTTP/1.1\r\nHost: a\r\n\r\n")
            process.wait_for("begins")
            program.write_text(APP.replace("hello", "hola"))
            process.wait_for("changed: starting again")
            assert get(url).startswith("hola")


@pytest.mark.parametrize("watcher", ["watchfiles", "ours"])
async def test_what_counts_as_source(
    tmp_path: Path, watcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    if watcher == "ours":
        monkeypatch.setitem(sys.modules, "watchfiles", None)
    else:
        pytest.importorskip("watchfiles")
    for folder in (".git", "__pycache__", "sub"):
        (tmp_path / folder).mkdir()
    (tmp_path / "old.py").write_text("")
    found = changes(str(tmp_path))
    written = threading.Timer(1.0, lambda: write(tmp_path))
    written.start()
    deadline = time.monotonic() + PATIENCE
    seen: set[str] = set()
    while not {"new.py", "sub/page.html", "old.py"} <= seen:
        assert time.monotonic() < deadline, seen
        seen |= await anext(found)
    await found.aclose()
    assert seen == {"new.py", "sub/page.html", "old.py"}


def write(folder: Path) -> None:
    for name in (".git/a.py", "__pycache__/a.py", "data.db", ".#new.py"):
        (folder / name).write_text("")
    (folder / "sub" / "page.html").write_text("")
    (folder / "old.py").unlink()
    (folder / "new.py").write_text("")
