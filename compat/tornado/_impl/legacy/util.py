"""Names of `tornado.util` from the days when one program ran on Python 2 and 3.

Gone or deprecated in Tornado 6, still imported by programs written for 3.x to 5.x.
"""

from __future__ import annotations

from sys import is_finalizing as is_finalizing

PY3 = True

unicode_type = str
basestring_type = str
bytes_type = bytes
xrange = range


def u(s: str) -> str:
    """A text literal, as `u"..."` where the syntax had no `u`."""
    return s


def b(s: str) -> bytes:
    """A bytes literal, as `b"..."` where the syntax had no `b`."""
    return s.encode("latin-1")
