"""What a newcomer does, literally: README, tutorials, how-tos, with each Python named.

    python -m tests.newcomer python3.11 python3.12 python3.13
    python -m tests.newcomer --pages=README.md --port=8889 /usr/bin/python3

A copy of what git has committed, an environment of the system's own folders in which `python3` is
the one named, no `.venv`, nothing of this shell's. First with a Python as Debian and Ubuntu have it
without their package python3-venv: `make demo` must say what to install. Then `make demo`
answers, and the pages are followed by tests/docs/follow.py. Needs git, make, curl, a package index.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEPT = ("HOME", "LANG", "TMPDIR", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "SSL_CERT_FILE")
SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = 300  # for the demo, where nothing is in pip's cache and the machine is busy

# Debian's python3 without python3-venv: venv leaves half an environment, and fails.
WITHOUT_VENV = """#!/bin/sh
if [ "$2" = venv ]; then mkdir -p "$3/bin"; ln -sf {python} "$3/bin/python"; exit 1; fi
exec {python} "$@"
"""
WITH_VENV = '#!/bin/sh\nexec {python} "$@"\n'


class Newcomer:
    """One Python, one copy in `folder`."""

    def __init__(self, python: str, folder: Path, port: int) -> None:
        self.python = python
        self.port = port
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.copy = folder / "tornado_trio"
        self.copy.mkdir()
        archive = subprocess.run(
            ["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x"], cwd=self.copy, input=archive.stdout, check=True)
        path = f"{self.bin}:{SYSTEM}"
        self.env = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PATH": path}

    def have(self, python3: str) -> None:
        """Let `python3` be this script."""
        script = self.bin / "python3"
        script.write_text(python3.format(python=shlex.quote(self.python)))
        script.chmod(0o755)

    def lacks_venv(self) -> None:
        self.have(WITHOUT_VENV)
        ended = subprocess.run(
            ["make", "demo"],
            cwd=self.copy,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        said = "apt install python3-venv" in ended.stderr
        if not said or ended.returncode == 0 or (self.copy / ".venv").exists():
            raise SystemExit(f"without venv, make demo says\n{ended.stdout}{ended.stderr}")

    def demo(self) -> float:
        """`make demo`, until it answers: how many seconds that took."""
        self.have(WITH_VENV)
        began = time.monotonic()
        log = self.copy.parent / "demo.log"
        command = ["make", "demo", *([] if self.port == 8888 else [f"PORT={self.port}"])]
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                cwd=self.copy,
                env=self.env,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            while True:
                with contextlib.suppress(OSError):
                    address = f"http://127.0.0.1:{self.port}/"
                    with urllib.request.urlopen(address, timeout=10) as answer:
                        if b"Close the tab" in answer.read() and address in log.read_text():
                            return time.monotonic() - began
                if process.poll() is not None or time.monotonic() - began > SECONDS:
                    raise SystemExit(f"{' '.join(command)}\n{log.read_text()}")
                time.sleep(0.1)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.wait(30)

    def follow(self, page: str) -> None:
        folder = self.copy.parent / "reader"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        program = (
            "import sys; from pathlib import Path; from tests.docs.follow import Reader\n"
            "page, folder, source = map(Path, sys.argv[1:])\n"
            "reader = Reader(folder, source)\n"
            "try: reader.follow(page.read_text())\n"
            "finally: reader.close()\n"
            "print(reader.commands, 'commands')\n"
        )
        command = [self.python, "-c", program, page, folder, self.copy]
        ended = subprocess.run(
            command,
            cwd=self.copy,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if ended.returncode:
            raise SystemExit(f"{page}:\n{ended.stdout}")
        print(f"  {page}: {ended.stdout.strip()}", flush=True)


def pages_with_commands() -> list[str]:
    """README, then tutorials, then how-tos."""
    found = ["README.md"]
    for folder in ("docs/tutorial", "docs/how-to"):
        texts = {page: page.read_text("utf-8") for page in sorted((ROOT / folder).glob("*.md"))}
        found += [str(p.relative_to(ROOT)) for p, text in texts.items() if "\n```console\n" in text]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pythons", nargs="+", help="interpreters, by name or path")
    parser.add_argument("--pages", type=lambda text: text.split(","), help="separated by commas")
    parser.add_argument("--port", type=int, default=8888, help="of the demo")
    options = parser.parse_args()
    pages = options.pages or pages_with_commands()
    failed = []
    for name in options.pythons:
        python = shutil.which(name) or parser.error(f"there is no {name}")
        version = subprocess.run([python, "--version"], check=True, capture_output=True, text=True)
        print(f"{version.stdout.strip()}, {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            newcomer = Newcomer(str(python), Path(folder), options.port)
            newcomer.lacks_venv()
            print("  without venv: make demo says what to install", flush=True)
            print(f"  make demo answers after {newcomer.demo():.1f} s", flush=True)
            for page in pages:
                try:
                    newcomer.follow(page)
                except SystemExit as error:
                    print(f"  {error}", flush=True)
                    failed.append(f"{name}: {page}")
    if failed:
        sys.exit("failed:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
