"""`Failure`: what may be shown of an exception: its type, its message, the line. Never secrets.

Knows tracebacks, and how messages quote what they are about. Must not know who shows it.

Messages quote what clients and configurations say: passwords, tokens, rows. So what stands in
quotes is left out unless it is a name of the program's, and what looks like a credential always.
"""

from __future__ import annotations

import re
from functools import cache
from types import TracebackType

from .._util.groups import sole
from .._util.late import pattern_later
from .._util.records import dataclass

__all__ = ["Failure", "shown_message"]

_LONGEST = 200
#: Their messages quote names: of keys, attributes, modules, parameters.
_OF_NAMES = (LookupError, AttributeError, NameError, ImportError, TypeError)
_OURS = frozenset(("trio", "tornado_trio", "tornado", "outcome", "asyncio", "contextlib"))

_QUOTED = pattern_later(r"""'[^']*'|"[^"]*"|`[^`]*`""", globals())
_NAME = pattern_later(r"['\"`][A-Za-z_][\w.]{0,39}['\"`]", globals())
# As text: they are compiled with the first failure, and kept by `re`.
_HIDDEN: tuple[tuple[str, str], ...] = (
    (r"//[^/\s@]+@", "//…@"),  # user and password of a URL
    (r"\?[^\s'\"]+", "?…"),  # queries
    (
        r"(?i)([\w-]*(?:token|secret|passw|pwd|key|auth|cookie|session|credential|signature)"
        r"[\w-]*['\"]?\s*[:=]\s*)(?:(?:bearer|basic)\s+)?[^\s,;&]+",
        r"\1…",
    ),
    (r"(?i)\b(bearer|basic)\s+\S+", r"\1 …"),
    (r"=\s*\([^)]*\)", "=(…)"),  # PostgreSQL: Key (email)=(a@b) already exists
    (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "…@…"),
    (r"(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{24,}", "…"),  # keys, hashes
)


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that ended a request.

    Attributes:
      kind: the name of its class.
      message: its first line, without what may be secret; at most 200 characters.
      place: "shop.py:12 in get", the innermost line of the program; "" if there is none.
    """

    kind: str
    message: str
    place: str

    def __str__(self) -> str:
        text = f"{self.kind}: {self.message}" if self.message else self.kind
        return f"{text}, {self.place}" if self.place else text

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Of `error`; of the one in a group, where it is one."""
        error = sole(error)
        return cls(type(error).__qualname__, shown_message(error), _place(error.__traceback__))


@cache
def _installed() -> tuple[str, ...]:
    """The folders of what is not the program's own."""
    import sysconfig  # a millisecond, for the first failure

    paths = (sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
    return tuple(path for path in paths if path)


def shown_message(error: BaseException) -> str:
    """The first line of its message, without what may be secret. Never raises."""
    try:
        text = str(error).strip().partition("\n")[0]
    except Exception:
        return ""  # a program's class that cannot be shown is shown by its name
    text = text[: 4 * _LONGEST]  # what the patterns cost is bounded
    for pattern, instead in _HIDDEN:
        text = re.sub(pattern, instead, text)
    names = isinstance(error, _OF_NAMES)

    def quoted(match: re.Match[str]) -> str:
        return match[0] if names and _NAME.fullmatch(match[0]) else "'…'"

    return _QUOTED.sub(quoted, text)[:_LONGEST]


def _place(trace: TracebackType | None) -> str:
    found, best = "", -1
    while trace is not None:
        code = trace.tb_frame.f_code
        module = trace.tb_frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] in _OURS:
            rank = 0
        else:
            rank = 1 if code.co_filename.startswith(_installed()) else 2
        if rank >= best:
            best = rank
            found = f"{code.co_filename}:{trace.tb_lineno} in {code.co_qualname}"
        trace = trace.tb_next
    return found
