"""Upstream's test suites: where they come from, and what is known about each test.

A suite comes from the source distribution of a release (pip download into a cache, or the
file already there); only tornado/test is unpacked. `data/suite-VERSION.json` lists its
tests, which of them the real release passes, and which are set aside here, with a reason.
`data/expected-failures-VERSION.txt` lists those that we are known to fail.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
DEFAULT_CACHE = os.environ.get("UPSTREAM_CACHE") or str(Path.home() / ".cache" / "tornado-upstream")
# Lends its test certificate to suites whose own is too weak for OpenSSL 3.
CERT_RELEASE = "6.6.1"
PREFIX = "tornado.test."


def short(name: str) -> str:
    return name.removeprefix(PREFIX)


@dataclass
class Knowledge:
    """What the data files say about one release's suite."""

    # module -> test -> outcome with the real release
    baseline: dict[str, dict[str, str]] = field(default_factory=dict)
    # "module::Class.test", "module::Class.*" or "module::*" -> reason
    excluded: dict[str, str] = field(default_factory=dict)
    expected_failures: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, version: str) -> Knowledge:
        known = cls()
        data = HERE / "data" / f"suite-{version}.json"
        if data.exists():
            content = json.loads(data.read_text())
            known.excluded = content["excluded"]
            for module, tests in content["modules"].items():
                outcomes = dict.fromkeys(tests["pass"], "pass") | tests["other"]
                known.baseline[module] = {
                    test if test.startswith("tornado.") else f"{module}.{test}": outcome
                    for test, outcome in outcomes.items()
                }
        failures = expected_failures_file(version)
        if failures.exists():
            for line in failures.read_text().splitlines():
                test, _, reason = line.partition("#")
                if test.strip():
                    known.expected_failures[PREFIX + test.strip()] = reason.strip()
        return known

    def excluded_in(self, module: str) -> dict[str, str]:
        """Full test ids (or `*`, or `prefix.*`) of a module -> reason."""
        found = {}
        for key, reason in self.excluded.items():
            owner, _, test = key.partition("::")
            if owner == short(module):
                complete = test == "*" or test.startswith(module + ".")
                found[test if complete else f"{module}.{test}"] = reason
        return found


def expected_failures_file(version: str) -> Path:
    return HERE / "data" / f"expected-failures-{version}.txt"


def sdist(version: str, cache: Path) -> Path:
    archive = cache / f"tornado-{version}.tar.gz"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", ":all:", "-d", str(cache), f"tornado=={version}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return archive


def fetch_suite(version: str, cache: Path) -> Path:
    """The folder holding tornado/test of the release, and nothing else of it."""
    folder = cache / f"suite-{version}"
    target = folder / "tornado" / "test"
    if (target / "runtests.py").exists():
        return folder
    prefix = f"tornado-{version}/tornado/test/"
    archive = sdist(version, cache)
    with tempfile.TemporaryDirectory(dir=cache) as unpacked:
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                inside = member.name.startswith(prefix) and ".." not in member.name.split("/")
                if not inside or not (member.isfile() or member.isdir()):
                    continue
                member.name = member.name.removeprefix(prefix)
                if member.name:
                    tar.extract(member, unpacked)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(unpacked, target)
    _strengthen_certificate(version, cache, target)
    return folder


def _strengthen_certificate(version: str, cache: Path, target: Path) -> None:
    """Replace the certificate of the old suites (1024 bit, SHA-1, expired)."""
    key = target / "test.key"
    if version == CERT_RELEASE or not key.exists() or key.stat().st_size > 1500:
        return
    with tarfile.open(sdist(CERT_RELEASE, cache)) as tar:
        for name in ("test.crt", "test.key"):
            file = tar.extractfile(f"tornado-{CERT_RELEASE}/tornado/test/{name}")
            assert file is not None
            (target / name).write_bytes(file.read())


def suite_modules(folder: Path) -> list[str]:
    """TEST_MODULES of the suite's own runtests.py, in its order."""
    tree = ast.parse((folder / "tornado" / "test" / "runtests.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign):
            (name,) = node.targets
            if isinstance(name, ast.Name) and name.id == "TEST_MODULES":
                modules: list[str] = ast.literal_eval(node.value)
                return modules
    raise SystemExit("no TEST_MODULES in runtests.py")
