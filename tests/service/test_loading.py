"""MODULE:NAME: what it finds, and one line for what it does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tornado_trio.service import CannotStart
from tornado_trio.service.loading import LoadError, load


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules, as the working directory; forgotten afterwards."""
    (tmp_path / "svc_one.py").write_text("class Box: inner = 7\napp = 'app'\nmain = 'main'\n")
    (tmp_path / "svc_two.py").write_text("create_app = 'made'\n")
    (tmp_path / "svc_none.py").write_text("service = 1\n")
    (tmp_path / "svc_import.py").write_text("\nimport svc_missing\n")
    (tmp_path / "svc_name.py").write_text("from svc_one import nothing\n")
    (tmp_path / "svc_syntax.py").write_text("def f(:\n")
    (tmp_path / "svc_raises.py").write_text("def f():\n    1 / 0\nf()\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "svc_file.py").write_text("import svc_near\napp = svc_near.value\n")
    (tmp_path / "folder" / "svc_near.py").write_text("value = 'near'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("svc_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("spec", "name", "value"),
    [
        ("svc_one:main", "svc_one:main", "main"),
        ("svc_one:Box.inner", "svc_one:Box.inner", 7),
        ("svc_one", "svc_one:app", "app"),
        ("svc_two", "svc_two:create_app", "made"),
        ("svc_one.py:main", "svc_one:main", "main"),
        ("folder/svc_file.py", "svc_file:app", "near"),
    ],
)
def test_it_finds(spec: str, name: str, value: object) -> None:
    assert load(spec) == (name, value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("svc_nowhere:app", "there is no module 'svc_nowhere' in"),
        ("svc_one.sub:app", "there is no module 'svc_one.sub' in"),
        ("folder/none.py:app", "there is no file folder/none.py"),
        ("svc_one:ap", "there is no 'ap' in svc_one .*did you mean 'app'?"),
        ("svc_one:Box.iner", "there is no 'Box.iner' in svc_one .*did you mean 'inner'?"),
        ("svc_none", "svc_none has none of app, application, main"),
        (":app", "':app' names no module"),
        ("svc_import:app", "svc_import.py:2: ModuleNotFoundError: No module named 'svc_missing'"),
        ("svc_name:app", "svc_name.py:1: ImportError: cannot import name 'nothing'"),
        ("svc_syntax:app", "svc_syntax.py:1: SyntaxError: "),
    ],
)
def test_one_line_for_what_is_not_there(spec: str, message: str) -> None:
    with pytest.raises(CannotStart, match=message) as caught:
        load(spec)
    assert not isinstance(caught.value, LoadError)
    assert "\n" not in str(caught.value)


def test_a_program_that_breaks_keeps_its_traceback() -> None:
    with pytest.raises(LoadError, match="svc_raises cannot be imported: ZeroDivisionError") as it:
        load("svc_raises:app")
    lines = it.value.trace.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "svc_raises.py" in lines[1]  # none of ours, nor importlib's
    assert lines[-1] == "ZeroDivisionError: division by zero"
