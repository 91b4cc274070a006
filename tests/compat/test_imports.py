"""Every module of the overlay compiles, imports without side effects, and knows its place."""

import compat  # noqa: F401  isort: skip

from pathlib import Path

import pytest

from tests.python import python

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "compat" / "tornado"
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    # For another operating system: only compiled.
    if path.stem not in ("kqueue", "windows")
)
# May be missing: modules that need them are only compiled then.
OPTIONAL = ("pycurl", "pycares", "twisted")

CHECK = """
import asyncio, sys, warnings
import compat
optional = {optional!r}
for name in {modules!r}:
    try:
        __import__(name)
    except ImportError as error:
        if (error.name or '').partition('.')[0] not in optional:
            raise
# The test of import without side effects: no loop was made or set for this thread.
assert asyncio._get_running_loop() is None
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    assert asyncio.get_event_loop_policy()._local._loop is None
import threading
assert threading.active_count() == 1, threading.enumerate()
"""


def run(code: str, *options: str) -> None:
    ended = python(*options, "-c", code, seconds=280)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


@pytest.mark.parametrize("options", [(), ("-O", "-bb", "-W", "error")], ids=str)
def test_all_modules(options: tuple[str, ...]) -> None:
    run(CHECK.format(modules=MODULES, optional=OPTIONAL), *options)


@pytest.mark.timeout(300)  # ten seconds of work, when nobody else wants the processors
def test_each_module_alone() -> None:
    """No module relies on another having been imported first (no hidden cycles)."""
    code = (
        "import compat, os, sys\n"
        f"for name in {MODULES!r}:\n"
        # A fork is much cheaper than an interpreter of its own for each.
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        try:\n"
        "            __import__(name)\n"
        "        except BaseException as error:\n"
        "            missing = str(getattr(error, 'name', '')).partition('.')[0]\n"
        f"            if missing in {OPTIONAL!r}:\n"
        "                os._exit(0)\n"
        "            print(name, repr(error), file=sys.stderr, flush=True)\n"
        "            os._exit(1)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    run(code)


def test_files_compile() -> None:
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tornado_trio").rglob("*.py")]:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
