"""What a type checker makes of the names handlers use most."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

PROGRAM = """\
from typing import assert_type
from tornado_trio import web

class Handler(web.RequestHandler):
    async def get(self) -> None:
        assert_type(self.get_argument("a"), str)
        assert_type(self.get_argument("a", "b"), str)
        assert_type(self.get_argument("a", None), str | None)
        assert_type(self.get_argument("a", 5, strip=False), str | int)
        assert_type(self.get_query_argument("a", default=None), str | None)
        assert_type(self.get_body_argument("a"), str)
        assert_type(self.get_arguments("a"), list[str])
        assert_type(self.get_query_arguments("a"), list[str])
        assert_type(self.get_body_arguments("a"), list[str])
        assert_type(self.get_cookie("a"), str | None)
        assert_type(self.get_cookie("a", "b"), str)
        self.get_argument("a").nope()
        self.get_argument("a", None).strip()
"""


@pytest.mark.timeout(120)
def test_arguments_are_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = pytest.importorskip("mypy.api")
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    out, err, _ = api.run(
        ["--strict", f"--python-executable={sys.executable}", "--cache-dir=cache", "program.py"]
    )
    found = [line for line in out.splitlines() if "error:" in line]
    assert len(found) == 2, out + err
    assert '"str" has no attribute "nope"' in found[0]
    assert 'Item "None" of "str | None"' in found[1]
