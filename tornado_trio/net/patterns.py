"""How far a regular expression has to search again when more bytes have arrived. No I/O.

A search that restarts for every chunk is quadratic when a peer sends byte by byte. Two properties
of a pattern avoid that, both found by the standard library's pattern parser: the maximum length of
a match, or the byte that every match ends with.
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
    """The reach of `pattern`. Nothing is known about one with a lookahead, which reads beyond the
    match."""
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
