"""The launcher: programs run under it as the interpreter would run them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.python import python
from tornado_trio import cli

ROOT = str(Path(__file__).parent.parent)
OVERLAY = cli.overlay_folder()

# What a program can see of how it was started.
PROGRAM = """\
import sys, os
import tornado
print(__name__, globals().get("__file__"), __package__, __spec__ and __spec__.name)
print(sys.argv, sys.path[:2], sorted(globals()))
print(sys.modules["__main__"].__dict__ is globals(), tornado.__file__, "compat" in sys.modules)
"""


LAUNCHERS = [["-m", "compat"], ["-m", "tornado_trio.cli", "run"], ["-m", "tornado_trio", "run"]]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    (folder / "sub").mkdir()
    for name in ("script.py", "sub/script.py", "sub/__main__.py"):
        (folder / name).write_text(PROGRAM)
    (folder / "link.py").symlink_to(folder / "sub" / "script.py")
    (folder / "fails.py").write_text("def f():\n    1 / 0\nf()\n")
    (folder / "syntax.py").write_text("x = (\n")
    (folder / "exits.py").write_text("import sys\nsys.exit(3)\n")
    with zipfile.ZipFile(folder / "zipped.zip", "w") as archive:
        archive.writestr("__main__.py", PROGRAM)
    return folder


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(
    "command",
    [
        ["script.py", "a", "-m", "b"],
        ["sub/script.py"],
        ["link.py"],
        ["sub"],
        ["zipped.zip", "x"],
        ["-m", "sub.script", "--port=1"],
        ["-m", "sub"],
        ["-c", PROGRAM, "x"],
        ["fails.py"],
        ["syntax.py"],
        ["exits.py"],
    ],
)
def test_same_as_the_interpreter(app: Path, launcher: list[str], command: list[str]) -> None:
    plain = python(*command, PYTHONPATH=os.pathsep.join([OVERLAY, ROOT]), cwd=app)
    launched = python(*launcher, *command, cwd=app)
    assert launched.stdout == plain.stdout
    assert launched.stderr == plain.stderr
    assert launched.returncode == plain.returncode


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ([], 2, "usage:"),
        (["-x"], 2, "unknown option -x"),
        (["-m"], 2, "requires an argument"),
        (["--help"], 0, "list at exit what the program uses"),
        (["--version"], 0, "tornado-trio 0."),
        (["-V"], 0, "tornado-trio 0."),
        (["--generation", "7", "x.py"], 2, "error: --generation 7: not a release of Tornado"),
        (["nowhere.py"], 2, "can't open file"),
        (["-m", "nowhere"], 1, "No module named nowhere"),
        (["-m", "nowhere.deeper"], 1, "No module named nowhere.deeper"),
        (["-m", "email"], 1, "cannot be directly executed"),
    ],
)
def test_what_cannot_be_run(
    app: Path, launcher: list[str], command: list[str], status: int, text: str
) -> None:
    ended = python(*launcher, *command, cwd=app)
    assert ended.returncode == status
    assert text in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_application_may_have_its_own_compat(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "compat.py").write_text("mine = 1")
    (tmp_path / "sub" / "app.py").write_text("import compat, tornado\nprint(compat.mine)")
    for launcher in LAUNCHERS:
        ended = python(*launcher, "sub/app.py", cwd=tmp_path)
        assert ended.stdout == "1\n", ended.stderr


def test_another_tornado_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "tornado").mkdir()
    (tmp_path / "tornado" / "__init__.py").write_text("raise SystemExit('the other one')")
    (tmp_path / "app.py").write_text("import tornado; print(tornado.version)")
    for launcher in LAUNCHERS:
        searched = f"{ROOT}{os.pathsep}{tmp_path}"
        ended = python(*launcher, "app.py", PYTHONPATH=searched, cwd=tmp_path)
        assert ended.stdout == "6.6.1\n", ended.stderr


def test_children_inherit_the_overlay(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import tornado; print(tornado.__file__)'])"
    )
    # Without the project on PYTHONPATH where it is not installed: the launcher adds it.
    ended = python("-m", "compat", "-c", code, PYTHONPATH=str(tmp_path), cwd=Path(ROOT))
    assert ended.stdout.strip() == os.path.join(OVERLAY, "tornado", "__init__.py"), ended.stderr


def test_a_program_from_stdin(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "compat", "-", "a"],
        input="import sys; print(sys.argv, __name__)",
        env={**os.environ, "PYTHONPATH": ROOT},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.stdout == "['-', 'a'] __main__\n", ended.stderr


def test_main_survives_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import atexit, pickle, sys\n"
        "class Here: pass\n"
        "@atexit.register\n"
        "def last():\n"
        "    print(type(pickle.loads(pickle.dumps(Here()))) is Here, sys.argv)\n"
    )
    ended = python("-m", "compat", "app.py", "a", cwd=tmp_path)
    assert ended.stdout == "True ['app.py', 'a']\n", ended.stderr


def test_path_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["path"]) == 0
    assert capsys.readouterr().out == OVERLAY + "\n"
    assert os.listdir(OVERLAY)
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tornado-trio ")
    assert cli.main([]) == 2
    assert cli.main(["--help"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["runn", "app.py"],
            "no command 'runn'; the commands are run, serve, inspect, openapi, explain and path\n",
        ),
        (["--runn"], "error: no option '--runn'"),
        ([__file__], f"(tornado-trio run {__file__}, perhaps)"),
        (["path", "x"], "path takes no arguments, and not 'x'"),
        ([], "a command is required"),
    ],
)
def test_a_bad_word_is_named(arguments: list[str], said: str) -> None:
    ended = python("-m", "tornado_trio", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr and ended.stderr.startswith("usage:")


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "tornado_trio", "--version"],
        ["-m", "tornado_trio", "-V"],
        ["-m", "tornado_trio", "path", "--version"],
        ["-m", "tornado_trio", "serve", "--version"],
    ],
)
def test_version_everywhere(command: list[str]) -> None:
    assert python(*command).stdout.startswith("tornado-trio 0.")


def test_an_environment_of_another_generation_is_blamed() -> None:
    ended = python("-m", "compat", "-c", "", TORNADO_TRIO_GENERATION="7")
    assert "error: TORNADO_TRIO_GENERATION='7': not a release" in ended.stderr
    ended = python("-c", "import compat; compat.activate(generation='7')")
    assert "ImportError: generation='7': not a release" in ended.stderr
