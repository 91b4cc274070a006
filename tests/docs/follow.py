"""Follows a page literally, in an empty folder: writes its files, types its commands.

A block of code with a title (or a first line `# name.py`) is a file; a block `console` has commands
after `$`, and below them what they print, in which `...` stands for anything. Only three things
are not literal: the wheel under test is what is installed, `python3` is the Python that runs the
tests, and port 8888 is one that is free. Knows nothing of what pages say.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.ports import free_port

FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE = 60.0  # seconds
PORT = "8888"


def matches(expected: str, printed: str) -> bool:
    """Where a page breaks one line of JSON into several, they are joined."""
    joined = re.sub(r"(?<=[,\[])\n(?=\{)", "", expected.strip())
    pattern = re.escape(joined).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


class Reader:
    """Somebody who does what a page says, in `folder`; leaves no process behind (`close`)."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        self.wheel = wheel
        self.port = str(free_port())
        self.server: subprocess.Popen[str] | None = None
        self.log = folder.parent / f"{folder.name}.log"
        self.commands = 0

    def follow(self, text: str) -> None:
        for language, attributes, block in FENCE.findall(text):
            title = re.search(r'title="([\w./-]+)"', attributes)
            named = re.match(r"# (\w[\w/]*\.py)\n", block)
            if language == "console":
                self._type(block)
            elif title or named:
                found = title or named
                assert found is not None
                file = self.folder / found[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.replace(PORT, self.port))

    def close(self) -> None:
        if self.server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.server.pid, signal.SIGTERM)
            try:
                self.server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.server.pid, signal.SIGKILL)
                self.server.wait()
            self.server = None

    def _type(self, block: str) -> None:
        for typed in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
            command, _, expected = typed.partition("\n")
            self.commands += 1
            self._run(command, expected.replace(PORT, self.port))

    def _run(self, command: str, expected: str) -> None:
        wheel = shlex.quote(str(self.wheel))
        command = command.replace(PORT, self.port)
        command = re.sub(r"'?\./tornado_trio(\[[\w,]+\])?'?", rf"{wheel}\1", command)
        command = re.sub(r"^python3 ", f"{sys.executable} ", command)
        if self._is_server(command):
            self._serve(command, expected)
            return
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=4 * PATIENCE,
        )
        assert ended.returncode == 0, f"$ {command}\n{ended.stdout}"
        if expected.strip():
            assert matches(expected, ended.stdout), f"$ {command}\n{ended.stdout}"

    def _is_server(self, command: str) -> bool:
        """Whether it goes on until it is told to end: it names the port, or its program does."""
        if re.match(r"(python|tornado-trio) ", command) is None or "pytest" in command:
            return False
        programs = [self.folder / name for name in re.findall(r"[\w/]+\.py", command)]
        texts = [command, *(file.read_text() for file in programs if file.exists())]
        return any(self.port in text for text in texts)

    def _serve(self, command: str, expected: str) -> None:
        self.close()  # as Ctrl-C does
        with self.log.open("w") as output:
            self.server = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self._environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not (self._listens() and matches(expected, self.log.read_text())):
            printed = self.log.read_text()
            assert self.server.poll() is None, f"$ {command}\n{printed}"
            assert time.monotonic() < deadline, f"$ {command}\n{printed}\nexpected:\n{expected}"
            time.sleep(0.1)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", int(self.port)), timeout=5).close()
        except OSError:
            return False
        return True

    def _environment(self) -> dict[str, str]:
        """The shell's, with the page's environment active as soon as it is made."""
        kept = ("HOME", "LANG", "TMPDIR", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "SSL_CERT_FILE")
        env = {name: os.environ[name] for name in kept if name in os.environ}
        path = f"{self.folder / 'env' / 'bin'}:{os.environ['PATH']}"
        return env | {"PATH": path, "PYTHONUNBUFFERED": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
