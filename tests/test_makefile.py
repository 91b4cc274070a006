"""`make` in a fresh clone: what it makes, and how it gets over what went wrong before.

Without a network: pip is replaced where it would install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "PYTHON"))}
    return subprocess.run(
        ["make", "PIP=@echo installs", *arguments],
        cwd=clone,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_another_python_has_its_own_environment(clone: Path) -> None:
    done = make(clone, f"PYTHON={sys.executable}", f".venv-{VERSION}/.installed")
    assert done.returncode == 0, done.stderr
    assert not (clone / ".venv").exists()
    python = clone / f".venv-{VERSION}" / "bin" / "python"
    shown = subprocess.run([python, "--version"], capture_output=True, text=True, check=True)
    assert VERSION in shown.stdout


def test_a_half_made_environment_is_made_anew(clone: Path) -> None:
    half = clone / f".venv-{VERSION}" / "bin"
    command = [sys.executable, "-m", "venv", "--without-pip", half.parent]
    subprocess.run(command, check=True, timeout=60)
    done = make(clone, f"PYTHON={sys.executable}", f".venv-{VERSION}/.installed")
    assert done.returncode == 0, done.stderr
    assert (half / "pip").exists()


def test_what_to_install_is_said(clone: Path) -> None:
    """Debian's python3 without python3-venv: half an environment, and an error."""
    fake = clone / "python-of-debian"
    fake.write_text(
        "#!/bin/sh\n"
        f'if [ "$2" = venv ]; then mkdir -p "$3/bin"; ln -s {sys.executable} "$3/bin/python"; '
        "exit 1; fi\n"
        f'exec {sys.executable} "$@"\n'
    )
    fake.chmod(0o755)
    for _ in range(2):
        done = make(clone, f"PYTHON={fake}", f".venv-{VERSION}/.installed")
        assert done.returncode != 0
        assert "apt install python3-venv" in done.stderr
        assert not (clone / f".venv-{VERSION}").exists()


def test_the_demo_installs_no_tools(clone: Path) -> None:
    planned = make(clone, "--dry-run", "demo").stdout
    assert "installs install --editable .\n" in planned and "[dev]" not in planned
    assert "[dev]" in make(clone, "--dry-run", "test").stdout
