"""The programs in the documentation can be loaded; its pages are all in the table of contents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.python import python

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# A guide for old programs shows what they look like.
OLD_IDIOMS = ["-W", "ignore::PendingDeprecationWarning"]

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}:{number}")
    for page in PAGES
    for number, block in enumerate(BLOCK.findall(page.read_text()), 1)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_program_loads(block: str, tmp_path: Path) -> None:
    """Imported, not started: what it defines and the names it uses are there."""
    (tmp_path / "doc_program.py").write_text(block)
    ended = python("-W", "error", *OLD_IDIOMS, "-c", "import compat, doc_program", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("block", [b for b in BLOCKS if "def test_" in b.values[0]])
def test_tests_pass(block: str, tmp_path: Path) -> None:
    """The tests that pages show are run."""
    (tmp_path / "test_page.py").write_text(block)
    options = ["-q", "-p", "no:asyncio", "-p", "no:anyio", "-o", "trio_mode=true", "-W", "error"]
    ended = python("-m", "pytest", *options, "test_page.py", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout


def test_every_page_is_listed() -> None:
    listed = set(re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES[1:]}
    assert listed == pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
