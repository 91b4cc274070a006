"""Services in processes of their own: started, watched by what they log, asked, and ended."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 30.0  # seconds; for a machine with much else to do

APP = """
import os
import trio
from tornado_trio import run, serve, web


class Hello(web.RequestHandler):
    async def get(self):
        seconds = self.get_argument("s", "0")
        if seconds != "0":
            print(f"GET /?s={seconds} begins")
        await trio.sleep(float(seconds))
        self.write(f"hello {os.getpid()}")


class Block(web.RequestHandler):
    def get(self):
        import time
        print("now it blocks")
        time.sleep(float(self.get_argument("s", "60")))


app = web.Application([(r"/", Hello), (r"/block", Block)])
"""


class Process:
    """A service, what it wrote so far, and how to talk to it."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.pid = popen.pid
        self.lines: list[str] = []
        self._new: queue.Queue[str | None] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self._new.put(line.rstrip("\n"))
        self.popen.stdout.close()
        self._new.put(None)

    def wait_for(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """The first match in a line that it writes from now on."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._new.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {pattern!r} in {self.output}") from None
            if line is None:
                self._new.put(None)
                raise AssertionError(f"it ended without {pattern!r}: {self.output}")
            self.lines.append(line)
            found = re.search(pattern, line)
            if found:
                return found

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def url(self) -> str:
        """Its address, once it says it."""
        return self.wait_for(r"serving on (https?://[\d.:\[\]]+)")[1]

    def signal(self, *numbers: int) -> None:
        for number in numbers:
            self.popen.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit status; `output` is complete then."""
        status = self.popen.wait(seconds)
        while (line := self._new.get(timeout=seconds)) is not None:
            self.lines.append(line)
        self._new.put(None)
        return status


@contextlib.contextmanager
def service(*command: str | Path, cwd: Path, **environ: str) -> Iterator[Process]:
    """`python *command` in a session of its own; whatever is left of it is killed."""
    popen = subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    process = Process(popen)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()
        process.reader.join(PATIENCE)


def get(url: str, seconds: float = PATIENCE) -> str:
    """The page at `url`, whatever its status."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            text: str = answer.read().decode()
            return text
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


SERVE = ("-m", "tornado_trio.cli", "serve")
