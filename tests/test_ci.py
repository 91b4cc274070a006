"""`.ci/run`: which jobs there are, that each is run, and what a failure comes to.

All that it calls is played: `make` notes how it was called, and fails where the test says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent.parent / ".ci" / "run"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell script")

MAKE = """#!/bin/sh
echo "$* | ${TORNADO_TRIO_ENGINE-} ${TORNADO_TRIO_PUBLIC_ONLY-} | $PYTEST_ADDOPTS" >>calls
echo "made $*"
for each in "$@"; do  # the last ARGS counts, as with make
    case $each in ARGS=*) args=${each#ARGS=} ;; esac
done
[ "${args-}" != --last-failed ] || exit "$SECOND"
case "$*" in *"$FAILS"*) exit 1 ;; esac
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout with nothing in it, and programs in the place of those that are called."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(RUN, tmp_path / ".ci" / "run")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "bin").mkdir()
    quiet = dict.fromkeys(("chromium", "nginx", "haproxy", "apt-get"), "#!/bin/sh\n")
    pythons = {f"python3.{minor}": f"#!/bin/sh\nexit {minor != 15}\n" for minor in range(11, 16)}
    pythons = {
        name: text.replace("True", "1").replace("False", "0") for name, text in pythons.items()
    }
    for name, text in {**quiet, **pythons, "make": MAKE}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run(place: Path, *jobs: str, fails: str = "nothing", second: int = 0) -> tuple[int, str]:
    """Its status and what it said."""
    environ = {
        **{"PATH": f"{place / 'bin'}:/usr/bin:/bin", "HOME": str(place), "TMPDIR": str(place)},
        **{"FAILS": fails, "SECOND": str(second), "PYTEST_ADDOPTS": ""},
    }
    done = subprocess.run(
        [place / ".ci" / "run", *jobs], env=environ, capture_output=True, text=True, timeout=50
    )
    return done.returncode, done.stdout + done.stderr


def calls(place: Path) -> list[list[str]]:
    """Of `make`: arguments, variables, pytest's options."""
    lines = (place / "calls").read_text().splitlines()
    return [[" ".join(part.split()) for part in line.split("|")] for line in lines]


def test_everything_is_run_once(place: Path) -> None:
    status, said = run(place)
    assert status == 0 and said.endswith("ci: passed\n")
    made = calls(place)
    assert made[0] == [".venv/.ready", "", ""]
    told = [call[0] for call in made]
    assert len(told) == len(set(told)) == said.count("\nmade ") + said.startswith("made ")
    assert {"check", "test", "own-words", "upstream VERSION=6.6.1"} <= set(told)
    assert {"upstream VERSION=5.1.1", "upstream VERSION=4.5.3"} <= set(told)
    (newer,) = (call[0] for call in made if "python3.15" in call[0])
    for folder in ("interop", "wire", "net", "server", "web", "client"):
        assert f"tests/{folder}" in newer
    engines = {call[1]: call[0] for call in made if call[1]}
    assert set(engines) == {"h11", "1"}
    for folder in ("wire", "server", "client", "web", "websocket", "security"):
        assert f"tests/{folder}" in engines["h11"]
    assert "tests/interop" in engines["1"]
    # Two that run at once must not forget what has failed in the other.
    caches = [call[2] for call in made[1:]]
    assert all(each.startswith("-o cache_dir=") for each in caches)
    assert len(set(caches)) == len(caches)


def test_some_jobs_alone(place: Path) -> None:
    assert run(place, "check", "own-words")[0] == 0
    assert {call[0] for call in calls(place)} == {".venv/.ready", "check", "own-words"}
    assert run(place, "nonsense")[0] == 1


def test_what_fails_is_tried_twice(place: Path) -> None:
    status, said = run(place, "h11", fails="tests/wire")
    assert status == 0 and "passed at the second try" in said
    first, second = calls(place)[1:]
    assert second == [f"{first[0]} ARGS=--last-failed", "h11", first[2]]


@pytest.mark.parametrize(("fails", "job"), [("tests/wire", "h11"), ("check", "check")])
def test_what_fails_for_good_ends_the_run(place: Path, fails: str, job: str) -> None:
    status, said = run(place, job, fails=fails, second=1)
    assert status == 1
    assert f"ci: {job} FAILED" in said and "ci: FAILED\n" in said
