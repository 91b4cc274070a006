"""What has to hold before a version is uploaded: `make release-check`.

Builds the sdist, and the wheel from it. Both hold every file they should, and none besides; their
metadata is what an index accepts. Each is installed into an empty environment, where the examples
of the sdist run, away from the repository.

    python -m tests.release [FOLDER FOR THE ARCHIVES]         needs `build` and `twine`
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import venv
import zipfile
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("tornado_trio/", "compat/")
STUBS = ("compat/tornado/", "tornado-stubs/")  # the overlay's modules once more, for type checkers
PAGE = ("docs/troubleshooting.md", "tornado_trio/troubleshooting.md")  # for `tornado-trio explain`
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")

# Programs of examples/: the extra they need, their command, a page of theirs and what it holds.
SERVERS: tuple[tuple[str, str, str, str], ...] = (
    ("", "-m compat examples/hello.py --port={port}", "/", "Hello"),
    ("", "-m compat examples/chat/chat.py --port={port}", "/", "Trio Chat"),
    ("", "-m compat examples/login/login.py --port={port}", "/login", "<form"),
    ("", "-m compat examples/board/board.py --port={port}", "/", "<form"),
    ("", "examples/native/chat.py --port={port}", "/", "Trio Chat"),
    ("", "-m examples.demo --port={port}", "/", "Close the tab"),
    ("api", "-m examples.orders --port {port} --host 127.0.0.1", "/orders", "["),
)


def tracked() -> set[str]:
    """The files of the repository, as git has them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {name for name in listed.stdout.split("\0") if name}


def sdist_faults(names: Iterable[str], files: Set[str]) -> list[str]:
    """How an sdist with these members differs from the repository's files."""
    held = {name.partition("/")[2] for name in names} - {"PKG-INFO"}
    hidden = {name for name in files if name.startswith(".git")}  # of use in a clone only
    return [f"the sdist lacks {name}" for name in sorted(files - held - hidden)] + [
        f"the sdist holds {name}, which git does not" for name in sorted(held - files)
    ]


def wheel_faults(names: Iterable[str], files: Set[str]) -> list[str]:
    """How a wheel with these members differs from the packages' files."""
    held = set(names)
    record = {name for name in held if ".dist-info/" in name and not name.startswith(PACKAGES)}
    expected = {name for name in files if name.startswith(PACKAGES)}
    before, after = STUBS
    expected |= {after + name[len(before) :] for name in expected if name.startswith(before)}
    expected |= {PAGE[1]} if PAGE[0] in files else set()
    faults = [f"the wheel lacks {name}" for name in sorted(expected - held)]
    faults += [f"the wheel holds {name} besides" for name in sorted(held - record - expected)]
    kept = {name.partition(".dist-info/")[2] for name in record}
    needed = {"METADATA", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    return faults + [f"the wheel's metadata lacks {name}" for name in sorted(needed - kept)]


def readme_faults(metadata: str) -> list[str]:
    """Links of the description that lead nowhere at an index."""
    description = metadata.partition("\n\n")[2]
    assert description.startswith("# tornado_trio\n"), description[:100]
    return [
        f"the description links to {target}, which is not there at an index"
        for target in re.findall(r"\]\(([^)]+)\)", description)
        if not re.match(r"https?://|#", target)
    ]


def addresses(metadata: str) -> str:
    """What the metadata says of where the project lives."""
    found = re.findall(r"^Project-URL: (.+)$", metadata.partition("\n\n")[0], re.MULTILINE)
    if found:
        return "project URLs: " + "; ".join(found)
    return (
        "NOT SET: the project has no address. An index will show no URLs and no badges, and "
        "README's links as paths. Set `repository` in [tool.tornado-trio] of pyproject.toml."
    )


def call(*command: object, cwd: Path) -> None:
    """Run a command outside the repository's reach; its output is shown if it fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


@contextlib.contextmanager
def served(python: Path, command: str, path: str, cwd: Path) -> Iterator[str]:
    """A page of a server, which is ended by SIGTERM."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(
        [str(python), *command.format(port=port).split()],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield page_of(process, f"http://127.0.0.1:{port}{path}")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def page_of(process: subprocess.Popen[str], url: str, seconds: float = 30) -> str:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                page: str = answer.read().decode()
                return page
        except OSError as error:
            if process.poll() is not None:
                sys.exit(f"ended with status {process.returncode}: {process.communicate()[0]}")
            if time.monotonic() > deadline:
                sys.exit(f"{url} does not answer: {error}")
            time.sleep(0.05)


def build(folder: Path) -> tuple[Path, Path]:
    """The sdist and the wheel made from it, as they would be uploaded."""
    for old in (*folder.glob("*.tar.gz"), *folder.glob("*.whl")):
        old.unlink()
    call(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def try_out(archive: Path, folder: Path) -> None:
    """Install an archive into an empty environment, and run examples with it in `folder`."""
    home = folder / f"env-{archive.name.partition('-')[2]}"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    installed: set[str] = {"?"}
    for extra, command, path, expected in SERVERS:
        if extra not in installed:
            wanted = f"{archive}[{extra}]" if extra else str(archive)
            call(*PIP, "--python", python, "install", wanted, cwd=folder)
            installed.add(extra)
        with served(python, command, path, folder) as page:
            if expected not in page:
                sys.exit(f"{archive.name}: {command} shows\n{page}")
        print(f"{archive.name}: {command.partition(' --')[0]} answers", flush=True)
    call(*PIP, "--python", python, "check", cwd=folder)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "dist").resolve()
    folder.mkdir(exist_ok=True)
    sdist, wheel = build(folder)
    with tarfile.open(sdist) as packed, zipfile.ZipFile(wheel) as zipped:
        files = tracked()
        faults = sdist_faults((m.name for m in packed if m.isfile()), files)
        faults += wheel_faults(zipped.namelist(), files)
        (name,) = (
            n for n in zipped.namelist() if n.endswith("info/METADATA") and n.count("/") == 1
        )
        metadata = zipped.read(name).decode()
        faults += readme_faults(metadata)
    if faults:
        sys.exit("\n".join(faults))
    print(f"{sdist.name}, {wheel.name}: every file, none besides", flush=True)
    call(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel, cwd=folder)
    print("twine check: passed", flush=True)
    for archive in (sdist, wheel):
        with tempfile.TemporaryDirectory() as temporary:
            with tarfile.open(sdist) as packed:
                # Not by every 3.11: Debian 12 has 3.11.2, which knows no filters.
                options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
                packed.extractall(temporary, **options)  # type: ignore[arg-type]
            (unpacked,) = Path(temporary).iterdir()
            (unpacked / "examples").rename(Path(temporary, "examples"))
            try_out(archive, Path(temporary))
    print(addresses(metadata))


if __name__ == "__main__":
    main()
