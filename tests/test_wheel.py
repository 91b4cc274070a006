"""A built wheel, installed into an empty environment, works there.

Needs a package index for the build backend and the dependencies; skipped when NO_NETWORK is
set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = [
    pytest.mark.skipif("NO_NETWORK" in os.environ, reason="no network"),
    pytest.mark.timeout(300),
]


def run(*command: object, cwd: Path, **environ: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | environ
    ended = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "wheel", "-q", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    run(*pip, "install", "-q", wheel, cwd=folder)
    return python


def test_explain(python: Path, tmp_path: Path) -> None:
    """The wheel has the page that messages lead to."""
    said = run(python, "-m", "tornado_trio", "explain", "port-in-use", cwd=tmp_path)
    assert said.startswith("> cannot listen: Address already in use")
    assert "**Cure.**" in said


def test_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.split("/")[0] for name in names}
    assert {f for f in folders if not f.endswith(".dist-info")} == {
        "tornado_trio",
        "compat",
        "tornado-stubs",  # for type checkers; nothing imports it
    }
    assert {"tornado_trio/py.typed", "compat/tornado/test/test.crt"} <= set(names)
    # The folder goes on sys.path: whatever else it held would hide programs' own modules.
    assert {n.split("/")[1] for n in names if n.startswith("compat/")} == {
        "__init__.py",
        "__main__.py",
        "py.typed",
        "tornado",
        "tornado-6.6.1.dist-info",
    }
    assert not [name for name in names if "__pycache__" in name]


def test_installed(python: Path, tmp_path: Path) -> None:
    command = python.parent / "tornado-trio"
    overlay = run(command, "path", cwd=tmp_path).strip()
    assert overlay.startswith(str(python.parent.parent))
    code = "import tornado.ioloop as m; print(m.__file__)"
    expected = f"{overlay}/tornado/ioloop.py\n"
    assert run(python, "-m", "compat", "-c", code, cwd=tmp_path) == expected
    assert run(command, "run", "-c", code, cwd=tmp_path) == expected
    assert run(python, "-c", code, cwd=tmp_path, PYTHONPATH=overlay) == expected
    assert run(python, "-c", f"import compat; {code}", cwd=tmp_path) == expected
    sync = "from compat import IOLoop, gen; print(IOLoop().run_sync(lambda: gen.sleep(0)))"
    assert run(python, "-c", sync, cwd=tmp_path) == "None\n"


USES = """\
import tornado.web
from typing import assert_type
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.queues import Queue

class Handler(tornado.web.RequestHandler):
    async def get(self) -> None:
        assert_type(await AsyncHTTPClient().fetch("http://a.test"), HTTPResponse)
        assert_type(await Queue[int]().get(), int)
        self.nope()
"""


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_type_checkers_see_the_overlay(checker: str, python: Path, tmp_path: Path) -> None:
    """Without a setting: where it is installed, `tornado` is ours to them."""
    (tmp_path / "program.py").write_text(USES)
    if checker == "pyright":
        if shutil.which("pyright") is None:
            pytest.skip("no pyright here")
        command: list[object] = ["pyright", "--pythonpath", python]
    else:
        command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python]
    ended = subprocess.run(
        [*map(str, command), "program.py"], cwd=tmp_path, capture_output=True, text=True
    )
    errors = [line for line in ended.stdout.splitlines() if "error:" in line]
    (wrong,) = errors
    assert "nope" in wrong


def test_beside_upstreams_tornado(python: Path, tmp_path: Path) -> None:
    """Installed side by side, the overlay decides who is imported."""
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path)
    other = Path(site.strip()) / "tornado"
    other.mkdir()
    try:
        (other / "__init__.py").write_text("version = '4.5.3'")
        show = "import tornado; print(tornado.version)"
        assert run(python, "-c", show, cwd=tmp_path) == "4.5.3\n"
        assert run(python, "-m", "compat", "-c", show, cwd=tmp_path) == "6.6.1\n"
        assert run(python.parent / "tornado-trio", "run", "-c", show, cwd=tmp_path) == "6.6.1\n"
        asked = "from importlib.metadata import version; print(version('tornado'))"
        record = Path(site.strip()) / "tornado-4.5.3.dist-info"
        record.mkdir()
        (record / "METADATA").write_text("Metadata-Version: 2.1\nName: tornado\nVersion: 4.5.3\n")
        assert run(python, "-c", asked, cwd=tmp_path) == "4.5.3\n"
        assert run(python, "-m", "compat", "-c", asked, cwd=tmp_path) == "6.6.1\n"
        late = "import tornado\ntry: import compat\nexcept ImportError as error: print(error)"
        message = run(python, "-c", late, cwd=tmp_path)
        assert f"another tornado (4.5.3) is already imported from {other}" in message
    finally:
        shutil.rmtree(Path(site.strip()) / "tornado-4.5.3.dist-info", ignore_errors=True)
        (other / "__init__.py").unlink()
