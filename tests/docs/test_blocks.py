"""Every block of Python in README and docs loads in a bare environment; tests among them pass.

That has the wheel and what pages say to install, and nothing of the repository; each page says what
its own blocks import. Without network (NO_NETWORK) the environment that runs the tests is taken.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(page, block, id=f"{page.relative_to(ROOT)}:{number}")
    for page in PAGES
    for number, (_, block) in enumerate(BLOCK.findall(page.read_text()), 1)
]
INSTALL = re.compile(r"pip\s+install\s+((?:[\w./\[\],'-]+[ \n]?)+)")

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
# Made in C, by others; they come late to new Pythons.
LATE = {"aiohttp", "asyncpg", "psycopg", "sqlalchemy"} if sys.version_info >= (3, 15) else set()


def said(page: Path) -> set[str]:
    """The distributions that a page says to install; ours as `tornado_trio[extra]`."""
    words = " ".join(INSTALL.findall(page.read_text())).replace("'", "").split()
    return {word.removeprefix("./") for word in words if not word.startswith(("-", "/"))}


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


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, str]]:
    """An interpreter, and its environment variables."""
    if "NO_NETWORK" in os.environ:
        return sys.executable, {**clean(), "PYTHONPATH": str(ROOT)}
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)])
    (wheel,) = folder.glob("*.whl")
    words = {word for page in PAGES for word in said(page) if word.partition("[")[0] not in LATE}
    wanted = [str(wheel) + w.removeprefix("tornado_trio") for w in words if "tornado_trio" in w]
    others = [word for word in words if "tornado_trio" not in word]
    run([*pip, "--python", str(python), "install", *wanted, *others])
    return str(python), clean()


def run(command: list[str], **options: object) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)  # type: ignore[call-overload]
    assert ended.returncode == 0, ended.stdout + ended.stderr


def beside(page: Path, folder: Path) -> None:
    """The page's own files, which its blocks may import."""
    for attributes, block in BLOCK.findall(page.read_text()):
        if named := re.search(r'title="(\w+\.py)"', attributes):
            (folder / named[1]).write_text(block)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_block(page: Path, block: str, tmp_path: Path, bare: tuple[str, dict[str, str]]) -> None:
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
