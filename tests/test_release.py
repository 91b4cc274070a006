"""What `make release-check` looks for is found: see tests/release.py."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .release import ROOT, SERVERS, page_of, sdist_faults, wheel_faults

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
