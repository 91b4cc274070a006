"""Every public name of Tornado 6.6.1 is there, with a signature its callers can use."""

import compat  # noqa: F401  isort: skip

import json
from pathlib import Path

import pytest

from tests.python import python

ROOT = Path(__file__).parent.parent.parent
PARITY = ROOT / "tests" / "upstream" / "api" / "parity.py"


def parity(version: str, tmp_path: Path) -> dict[str, object]:
    out = tmp_path / "parity.json"
    ended = python(PARITY, version, "--setup", "import compat", "-q", "--json", out)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, object] = json.loads(out.read_text())
    return found


def test_present_generation(tmp_path: Path) -> None:
    pytest.importorskip("pycurl")  # without it that module is read, which shows no re-exports
    found = parity("6.6.1", tmp_path)
    modules = found["modules"]
    assert isinstance(modules, dict)
    missing = {name: module["missing"] for name, module in modules.items() if module["missing"]}
    assert missing == {}
    assert found["present"] == found["total"] == 869
    different = {name: m["incompatible"] for name, m in modules.items() if m["incompatible"]}
    # An exception "takes" keyword arguments as far as its signature goes, and then refuses them.
    assert different in ({}, {"tornado.httputil": {"HTTPInputError": "no **kwargs"}})


@pytest.mark.parametrize(("version", "percent"), [("5.1.1", 90), ("4.5.3", 90)])
def test_former_generations(version: str, percent: float, tmp_path: Path) -> None:
    reached = parity(version, tmp_path)["percent"]
    assert isinstance(reached, float)
    assert reached >= percent
