"""What `make release-check` looks for is found: see tests/release.py."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .release import (
    ROOT,
    SERVERS,
    addresses,
    page_of,
    readme_faults,
    sdist_faults,
    wheel_faults,
)

FILES = {
    "README.md",
    ".github/workflows/ci.yml",
    "docs/troubleshooting.md",
    "tornado_trio/py.typed",
    "compat/tornado/web.py",
}
SDIST = [
    "tt-1/PKG-INFO",
    "tt-1/README.md",
    "tt-1/docs/troubleshooting.md",
    "tt-1/tornado_trio/py.typed",
    "tt-1/compat/tornado/web.py",
]
WHEEL = [
    "tornado_trio/py.typed",
    "tornado_trio/troubleshooting.md",
    "compat/tornado/web.py",
    "tornado-stubs/web.py",
    "tt-1.dist-info/METADATA",
    "tt-1.dist-info/RECORD",
    "tt-1.dist-info/entry_points.txt",
    "tt-1.dist-info/licenses/LICENSE",
]


def test_archives_without_fault() -> None:
    assert sdist_faults(SDIST, FILES) == []
    assert wheel_faults(WHEEL, FILES) == []


@pytest.mark.parametrize("missing", SDIST[1:])
def test_a_file_missing_from_the_sdist(missing: str) -> None:
    (fault,) = sdist_faults([name for name in SDIST if name != missing], FILES)
    assert fault == f"the sdist lacks {missing.removeprefix('tt-1/')}"


@pytest.mark.parametrize("missing", WHEEL)
def test_a_file_missing_from_the_wheel(missing: str) -> None:
    (fault,) = wheel_faults([name for name in WHEEL if name != missing], FILES)
    assert "lacks" in fault and fault.endswith(missing.removeprefix("tt-1.dist-info/"))


def test_a_file_too_many() -> None:
    assert sdist_faults([*SDIST, "tt-1/board.db"], FILES) == [
        "the sdist holds board.db, which git does not"
    ]
    assert wheel_faults([*WHEEL, "compat/board.db"], FILES) == [
        "the wheel holds compat/board.db besides"
    ]


def test_the_programs_that_are_run_are_there() -> None:
    for _, command, _, _ in SERVERS:
        script = re.search(r"examples/\S+\.py", command)
        assert (ROOT / (script[0] if script else "examples/orders/__main__.py")).exists()


def test_a_program_that_ends_is_reported(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "raise SystemExit('no such thing')"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with pytest.raises(SystemExit, match="status 1: no such thing"):
        page_of(process, "http://127.0.0.1:1/", seconds=50)


spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
assert spec is not None and spec.loader is not None
hook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hook)

README = (ROOT / "README.md").read_text("utf-8")
ADDRESS = "https://host.example/owner/tornado_trio"


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_readme_has_no_relative_link_at_an_index(address: str) -> None:
    text = hook.elsewhere(README, address, "0.1.0")
    assert readme_faults(f"Name: x\n\n{text}") == []
    assert "](" in README and ("](" in text) == bool(re.search(r"\]\(https?:", text))


def test_links_lead_into_the_release() -> None:
    text = hook.elsewhere(README, ADDRESS, "0.1.0")
    found = re.findall(rf"\]\({ADDRESS}/(?:blob|raw)/v0\.1\.0/([^)#]+)", text)
    assert len(found) > 15
    assert [name for name in found if not (ROOT / name).exists()] == []
    assert f"({ADDRESS}/raw/v0.1.0/docs/images/demo.png)" in text


def test_badges_are_those_of_the_address() -> None:
    place = hook.PLACE.search(README)
    assert place is not None
    assert place[0] == hook.badges(hook.repository())
    assert (ROOT / ".github/workflows/ci.yml").exists()
    assert "actions/workflows/ci.yml/badge.svg" in hook.badges(ADDRESS)


def test_what_is_said_of_addresses() -> None:
    assert addresses("Name: x\n\n# x").startswith("NOT SET: ")
    lines = "".join(f"Project-URL: {n}, {u}\n" for n, u in hook.urls(ADDRESS).items())
    assert f"Source, {ADDRESS}" in addresses(f"Name: x\n{lines}\n# x")
    assert hook.urls("") == {}
    text = "# tornado_trio\n[a](docs/b.md)"
    assert readme_faults(f"Name: x\n\n{text}") == [
        "the description links to docs/b.md, which is not there at an index"
    ]
