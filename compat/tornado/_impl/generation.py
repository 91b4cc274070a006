"""Which release of Tornado this process stands in for, and the report of old idioms.

`TORNADO_TRIO_GENERATION` names a release ("4.5", "5.1"); it is read once, at import. Almost
everything old works without it; the few places where releases contradict each other ask
`before`. Knows the environment and Python's warnings, nothing else.
"""

from __future__ import annotations

import os
import sys
import types
import warnings
from typing import Any

__all__ = ["OldIdiomWarning", "before", "old_idiom", "parse", "version", "version_info"]

ENVIRONMENT = "TORNADO_TRIO_GENERATION"
REPORT = "TORNADO_TRIO_REPORT"
PRESENT = "6.6.1"

#: The last release of a series, for switches that name the series only.
_LAST = {
    "2": "2.4.1", "2.4": "2.4.1", "3": "3.2.2", "3.0": "3.0.2", "3.1": "3.1.1", "3.2": "3.2.2",
    "4": "4.5.3", "4.0": "4.0.2", "4.2": "4.2.1", "4.4": "4.4.3", "4.5": "4.5.3",
    "5": "5.1.1", "5.0": "5.0.2", "5.1": "5.1.1", "6": PRESENT, "6.6": PRESENT,
}  # fmt: skip


class OldIdiomWarning(PendingDeprecationWarning):
    """Something was used that Tornado 6 no longer has. Not shown unless asked for."""


def parse(text: str) -> tuple[str, tuple[int, int, int, int]]:
    """`version` and `version_info` of a generation as the switch names it."""
    release = _LAST.get(text, text)
    try:
        numbers = [int(part) for part in release.split(".")]
    except ValueError:
        numbers = []
    if not 2 <= len(numbers) <= 3 or not (2, 0) <= tuple(numbers[:2]) <= (6, 6):
        raise ImportError(
            f"{ENVIRONMENT}={text!r}: not a release of Tornado between 2.0 and {PRESENT}; "
            "say 4.5, 5.1 or 6.6"
        )
    major, minor, patch = (*numbers, 0)[:3]
    return release, (major, minor, patch, 0)


version, version_info = parse(os.environ.get(ENVIRONMENT) or PRESENT)


def before(*release: int) -> bool:
    """Whether we answer for a release before this one: `before(5)`, `before(6, 0)`."""
    return version_info[: len(release)] < release


# --- the report --------------------------------------------------------------------------
#: (file, line, idiom), in the order met; None unless a report was requested.
_seen: dict[tuple[str, int, str], None] | None = None


def old_idiom(idiom: str) -> None:
    """Warn that the program's code nearest on the stack uses `idiom`."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    if frame is None:
        return
    if _seen is not None:
        _seen[frame.f_code.co_filename, frame.f_lineno, idiom] = None
    names = frame.f_globals
    warnings.warn_explicit(
        f"{idiom}: gone since Tornado 6",
        OldIdiomWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=names.get("__name__") or "<unknown>",
        registry=names.setdefault("__warningregistry__", {}),
    )


_OURS = ("tornado", "tornado_trio", "contextlib", "functools")


def _is_ours(frame: types.FrameType) -> bool:
    name: str = frame.f_globals.get("__name__") or ""
    # tornado.test is where the suites of old releases are put: programs, to us.
    return name.partition(".")[0] in _OURS and not name.startswith("tornado.test.")


def start_report() -> None:
    """Collect what is reported to `old_idiom` from now on; print it when the process ends.

    By SIGTERM or SIGHUP too, unless the program has a handler of its own: that one ends it as it
    pleases, and exits.
    """
    import atexit
    import signal
    import threading

    global _seen
    if _seen is not None:
        return
    _seen = {}
    atexit.register(_print_report)
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, report_and_die)


def report_and_die(number: int, frame: object) -> None:
    import signal

    # Not by print: the program may be in the middle of one.
    os.write(2, f"{_report()}\n".encode(errors="backslashreplace"))
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _print_report() -> None:
    print(_report(), file=sys.stderr)


def _report() -> str:
    lines = [f"{file}:{line}: {idiom}" for file, line, idiom in sorted(_seen or ())]
    count = len(lines)
    title = f"{count} old idiom{'' if count == 1 else 's'} of Tornado before 6 in use"
    return "\n".join([title + (":" if lines else ""), *lines])


# --- the distribution record -------------------------------------------------------------
class _Record:
    """A finder that makes `importlib.metadata.version("tornado")` say the generation's release.

    The record beside this package says the present one.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        return None

    def find_distributions(self, context: Any = None) -> list[Any]:
        if context is None or context.name is None or context.name.lower() != "tornado":
            return []
        from importlib import metadata

        class Record(metadata.Distribution):
            def read_text(self, filename: str) -> str | None:
                return text if filename == "METADATA" else None

            def locate_file(self, path: Any) -> Any:
                return os.path.join(folder, path)

        folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        text = f"Metadata-Version: 2.1\nName: tornado\nVersion: {version}\n"
        return [Record()]


if version != PRESENT:
    sys.meta_path.insert(0, _Record())

if os.environ.get(REPORT):
    start_report()
