"""Every block of Python in README and docs loads in a bare environment; tests among them pass.

That is bare.py's; each page says what its own blocks import. Docstrings: test_docstrings.py.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from .bare import LATE, PAGES, ROOT, Bare, run, said

BLOCK = re.compile(r"^```python([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(page, block, id=f"{page.relative_to(ROOT)}:{number}")
    for page in PAGES
    for number, (_, block) in enumerate(BLOCK.findall(page.read_text()), 1)
]

# A guide for old programs shows what they look like.
OLD_IDIOMS = ["-W", "ignore::PendingDeprecationWarning"]
# What comes with the wheel.
OURS = {"tornado_trio", "compat", "tornado", "trio", "h11", "websockets", "idna"}
# What a distribution, or an extra of ours, is imported as where the name says otherwise.
IMPORTED_AS = {
    "pytest-trio": {"pytest", "pytest_trio"},
    "nats-py": {"nats"},
    "prometheus": {"prometheus_client"},
    "jinja": {"jinja2"},
    "api": {"msgspec"},
}


def imports(block: str) -> set[str]:
    found = set(re.findall(r"^\s*(?:import|from) (\w+)", block, re.MULTILINE))
    return found | ({"pytest"} if "def test_" in block else set())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_says_what_to_install(page: Path) -> None:
    installed = set(OURS)
    for word in said(page):
        name, _, extras = word.rstrip("]").partition("[")
        for each in [name, *extras.split(",")]:
            installed |= IMPORTED_AS.get(each, {each})
    text = page.read_text()
    own = {Path(name).stem for name in re.findall(r'title="(\w+\.py)"', text)}
    for _, block in BLOCK.findall(text):
        assert imports(block) <= installed | own | sys.stdlib_module_names, block


def beside(page: Path, folder: Path) -> None:
    """The page's own files, which its blocks may import."""
    for attributes, block in BLOCK.findall(page.read_text()):
        if named := re.search(r'title="(\w+\.py)"', attributes):
            (folder / named[1]).write_text(block)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_block(page: Path, block: str, tmp_path: Path, bare: Bare) -> None:
    """Loaded, not started: what it defines and the names it uses are there. Tests are run."""
    if late := imports(block) & LATE:
        pytest.skip(f"not made for this Python yet: {late}")
    python, environ = bare
    beside(page, tmp_path)
    (tmp_path / "test_of_page.py").write_text(block)
    if "def test_" in block:
        options = ["-q", "-p", "no:cacheprovider", "-o", "trio_mode=true", "-W", "error"]
        command = ["-m", "pytest", *options, *OLD_IDIOMS, "test_of_page.py"]
    else:
        load = "import compat, test_of_page"
        command = ["-W", "error", *OLD_IDIOMS, "-c", load]
    run([python, *command], cwd=tmp_path, env=environ)
