"""`python -m tests.newcomer`: what it takes, and what it makes of a Python without venv.

All of it needs a package index, and minutes; tests/docs/test_bare.py follows pages, too.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .newcomer import ROOT, Newcomer, pages_with_commands

pytestmark = pytest.mark.skipif(
    not ((ROOT / ".git").exists() and shutil.which("git") and shutil.which("make")),
    reason="no git, or no make",
)


def test_pages() -> None:
    pages = pages_with_commands()
    assert pages[0] == "README.md"
    assert len([page for page in pages if page.startswith("docs/tutorial/")]) >= 4
    assert len([page for page in pages if page.startswith("docs/how-to/")]) >= 3


def test_the_copy_is_what_git_has(tmp_path: Path) -> None:
    newcomer = Newcomer(sys.executable, tmp_path, 8888)
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "-z", "HEAD"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    copied = [file for file in newcomer.copy.rglob("*") if file.is_file()]
    names = {str(file.relative_to(newcomer.copy)) for file in copied}
    assert names == set(listed.stdout.split("\0")) - {""}


def test_without_venv(tmp_path: Path) -> None:
    newcomer = Newcomer(sys.executable, tmp_path, 8888)
    newcomer.lacks_venv()  # make demo says what to install
    makefile = newcomer.copy / "Makefile"
    makefile.write_text(makefile.read_text().replace("python3-venv", "what is missing"))
    with pytest.raises(SystemExit, match="without venv, make demo says"):
        newcomer.lacks_venv()


def test_the_script_of_systems_is_one() -> None:
    script = ROOT / "tests" / "systems.sh"
    subprocess.run(["sh", "-n", script], check=True)
    assert script.stat().st_mode & 0o111
    named = set(re.findall(r"\b(bookworm|trixie|noble)\b", (ROOT / "CONTRIBUTING.md").read_text()))
    assert named == set(re.findall(r"for system in \$\{\*:-(.*)\}", script.read_text())[0].split())
