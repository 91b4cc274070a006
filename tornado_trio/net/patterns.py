"""What a regular expression needs to see again when more bytes have come. No I/O.

A search that starts anew for every piece is quadratic when a peer sends byte by byte. Two
facts about a pattern avoid that, both told by the standard library's parser of patterns: no
match is longer than so many bytes, or every match ends with a certain one.
"""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from typing import Any, NamedTuple

__all__ = ["Reach", "reach_of"]

_MAX_WIDTH = 64 * 1024  # a pattern whose matches may be longer is as good as unbounded


class Reach(NamedTuple):
    """How far a search must go back, and when it is needed at all.

    Attributes:
      width: bytes before the new ones in which a new match may begin; None: anywhere.
      last: the byte that each match ends with; None: not known.
    """

    width: int | None
    last: int | None


_UNKNOWN = Reach(None, None)


@lru_cache(maxsize=64)
def reach_of(pattern: re.Pattern[bytes]) -> Reach:
    """The reach of `pattern`. With a lookahead in it nothing is known: it sees what a match
    does not hold."""
    try:
        parser: Any = importlib.import_module("re._parser")
        parsed = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
        width = parsed.getwidth()[1]
        operations = str(list(parsed))
        name, argument = parsed[-1] if len(parsed) else (None, None)
    except Exception:  # not public: without it each search begins at the front
        return _UNKNOWN
    if "(ASSERT, (1" in operations or "(ASSERT_NOT, (1" in operations:
        return _UNKNOWN
    literal = str(name) == "LITERAL" and not pattern.flags & re.IGNORECASE
    # One more, for `$` and `\b`, which look at the byte behind.
    return Reach(width + 1 if width < _MAX_WIDTH else None, argument if literal else None)
