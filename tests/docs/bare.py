"""An environment with the wheel and what pages say to install, and nothing of the repository.

Without network (NO_NETWORK) the environment that runs the tests is taken.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
INSTALL = re.compile(r"pip\s+install\s+((?:[\w./\[\],'-]+[ \n]?)+)")
# Made in C, by others; they come late to new Pythons.
LATE = {"aiohttp", "asyncpg", "psycopg", "sqlalchemy"} if sys.version_info >= (3, 15) else set()

#: An interpreter, and its environment variables.
Bare: TypeAlias = tuple[str, dict[str, str]]


def said(page: Path) -> set[str]:
    """The distributions that a page says to install; ours as `tornado_trio[extra]`."""
    words = " ".join(INSTALL.findall(page.read_text())).replace("'", "").split()
    return {word.removeprefix("./") for word in words if not word.startswith(("-", "/"))}


def make(folder: Path) -> Bare:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    if "NO_NETWORK" in os.environ:
        return sys.executable, {**environ, "PYTHONPATH": str(ROOT)}
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)])
    (wheel,) = folder.glob("*.whl")
    words = {word for page in PAGES for word in said(page) if word.partition("[")[0] not in LATE}
    wanted = [str(wheel) + w.removeprefix("tornado_trio") for w in words if "tornado_trio" in w]
    others = [word for word in words if "tornado_trio" not in word]
    run([*pip, "--python", str(python), "install", *wanted, *others])
    return str(python), environ


def run(command: list[str], **options: Any) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
