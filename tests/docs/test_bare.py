"""README, tutorials and how-tos, followed literally where nothing of the repository is.

Needs a package index; skipped when NO_NETWORK is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .follow import Reader

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if "\n```console\n" in page.read_text()
)

pytestmark = [
    pytest.mark.skipif("NO_NETWORK" in os.environ, reason="no network"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="pages call curl"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, ROOT]
    ended = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def reader(tmp_path: Path, wheel: Path) -> Iterator[Reader]:
    folder = tmp_path / "reader"
    folder.mkdir()
    reader = Reader(folder, wheel)
    yield reader
    reader.close()


def test_there_are_pages_to_follow() -> None:
    tutorials = [str(page.relative_to(ROOT)) for page in (ROOT / "docs/tutorial").glob("*.md")]
    assert {"README.md", *tutorials} <= set(PAGES)
    assert len([page for page in PAGES if "how-to" in page]) >= 3


@pytest.mark.parametrize("page", PAGES)
def test_page_can_be_followed(page: str, reader: Reader) -> None:
    reader.follow((ROOT / page).read_text())
    assert reader.commands > 0
