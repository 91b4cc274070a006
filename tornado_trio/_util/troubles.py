"""The sections of docs/troubleshooting.md: the table that messages use, and `explain`.

Knows where the page lies: in the wheel beside this package, in a checkout under docs/. A message
ends with a member, `f"... {Trouble.PORT_IN_USE}"`. Its value is the section's anchor on the site.
"""

from __future__ import annotations

import re
import sys
from enum import Enum
from pathlib import Path

__all__ = ["Trouble", "explain_command"]

_PACKAGE = Path(__file__).parent.parent
_PLACES = (_PACKAGE / "troubleshooting.md", _PACKAGE.parent / "docs" / "troubleshooting.md")


class Trouble(Enum):
    """One for each section of the page, in its order. Names stay: logs of years ago have them."""

    NEEDS_TRIO = "needs-trio"
    ASYNCIO_WAITS = "asyncio-waits"
    ANOTHER_TORNADO = "another-tornado"
    PORT_IN_USE = "port-in-use"
    CANNOT_LOAD = "cannot-load"
    NOT_AN_APPLICATION = "not-an-application"
    HANDLER_RESULT = "handler-result"
    UNFINISHED = "unfinished"
    TOO_SLOW = "too-slow"
    DOES_NOT_END = "does-not-end"
    LOOP_HELD = "loop-held"
    NESTED_LOOP = "nested-loop"
    MISSING_SETTING = "missing-setting"
    XSRF = "xsrf"

    def __str__(self) -> str:
        return f"(tornado-trio explain {self.value})"

    def section(self) -> str:
        """Its text on the page, as Markdown: the message, its cause and its cure."""
        page = next(place for place in _PLACES if place.exists()).read_text("utf-8")
        return re.split(rf"^## {self.value}\n", page, flags=re.M)[1].partition("\n## ")[0].strip()


def explain_command(names: list[str]) -> int:
    """`tornado-trio explain NAME`; without a name it lists them. The exit status."""
    known = [trouble.value for trouble in Trouble]
    if not names:
        print("\n".join(known))
        return 0
    if len(names) > 1 or names[0] not in known:
        print(f"tornado-trio: explain takes one of {', '.join(known)}", file=sys.stderr)
        return 2
    print(Trouble(names[0]).section())
    return 0
