"""Matchers: does a rule apply to a request, and with which arguments?

Knows a request's path, host name and headers; knows neither rules nor handlers.
`PathMatches` also gives the literal text its pattern starts with, from which
`route_index` makes the cost of a large route table independent of its size.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .._util.late import pattern_later
from .._util.percent import quote_non_ascii
from ..escape import url_escape, url_unescape, utf8

if TYPE_CHECKING:
    from .request import Request

__all__ = ["AnyMatches", "DefaultHostMatches", "HostMatches", "Matcher", "PathMatches"]

_QUANTIFIERS = frozenset("*+?{")
_SPECIAL = frozenset(".^$*+?{}[]|()")
_CHARACTER_ESCAPE = pattern_later(r"\\[xuUN]", globals())
_ESCAPES = pattern_later(r"(?:%[89A-Fa-f][0-9A-Fa-f])+", globals())


class Matcher:
    """Base of all matchers."""

    def match(self, request: Request) -> dict[str, Any] | None:
        """The parameters for the target, or None when the request does not match.

        An empty dict is a match. `path_args`, `path_kwargs` and `handler_kwargs` reach a
        `RequestHandler`.
        """
        raise NotImplementedError()

    def reverse(self, *args: Any) -> str | None:
        """The URL path that this matcher would match with these arguments, if that can be known."""
        return None

    @property
    def pattern(self) -> str | None:
        """The pattern it matches the path against, as text; None if it does not match paths."""
        return None


class AnyMatches(Matcher):
    """Matches every request."""

    def match(self, request: Request) -> dict[str, Any] | None:
        return {}


class HostMatches(Matcher):
    """Matches the request's host name (without port) against a regular expression."""

    def __init__(self, host_pattern: str | re.Pattern[str]) -> None:
        self.host_pattern: re.Pattern[str] = _compile_whole(host_pattern)

    def __repr__(self) -> str:
        return f"HostMatches({self.host_pattern.pattern!r})"

    def match(self, request: Request) -> dict[str, Any] | None:
        return {} if self.host_pattern.match(request.host_name) else None


class DefaultHostMatches(Matcher):
    """Matches when the application's `default_host` matches the pattern.

    Never matches behind a proxy (`X-Real-Ip`): the Host header is believed there.
    """

    def __init__(self, application: Any, host_pattern: re.Pattern[str]) -> None:
        self.application = application
        self.host_pattern = host_pattern

    def match(self, request: Request) -> dict[str, Any] | None:
        if "X-Real-Ip" in request.headers:
            return None
        return {} if self.host_pattern.match(self.application.default_host) else None


class PathMatches(Matcher):
    """Matches the request's path, still percent-encoded, against a regular expression.

    The groups of the match become `path_args`, or `path_kwargs` if they are named.
    A pattern given as text must match the whole path. What is not ASCII in a path is the text
    that it stands for where a pattern has such text: "/café" matches "/caf%C3%A9".
    """

    def __init__(self, path_pattern: str | re.Pattern[str]) -> None:
        self.regex: re.Pattern[str] = _compile_whole(path_pattern)
        if len(self.regex.groupindex) not in (0, self.regex.groups):
            raise AssertionError(
                "groups in url regexes must either be all named or all positional: "
                f"{self.regex.pattern!r}"
            )
        self._path, self._group_count = self._find_groups()
        # A pattern that is plain text (the bulk of most tables) needs no regex at all.
        self._literal: str | None = None
        # Kept for `route_index`: finding it takes longer than indexing it.
        self._beginning = prefix, exact = literal_prefix(self.regex)
        if exact:
            self._literal = prefix
        pattern = self.regex.pattern
        self._beyond_ascii = not pattern.isascii() or (
            "\\" in pattern and _CHARACTER_ESCAPE.search(pattern) is not None
        )

    def __repr__(self) -> str:
        return f"PathMatches({self.regex.pattern!r})"

    @property
    def pattern(self) -> str | None:
        return str(self.regex.pattern).removesuffix("$")

    def match(self, request: Request) -> dict[str, Any] | None:
        literal = self._literal
        if literal is not None:
            return {} if request.path == literal else None
        match = self.regex.match(request.path)
        if match is None:
            if not self._beyond_ascii:
                return None
            match = self.regex.match(_decode_non_ascii(request.path))
            if match is None:
                return None
        regex = self.regex
        if not regex.groups:
            return {}
        if regex.groupindex:
            return {
                "path_args": [],
                "path_kwargs": {k: unquote_or_none(v) for k, v in match.groupdict().items()},
            }
        # No list comprehension: CPython 3.11 makes a function for one, 0.7 k instructions.
        path_args: list[bytes | None] = []
        for group in match.groups():
            if group is None or "%" in group:
                path_args.append(unquote_or_none(group))
            else:
                path_args.append(group.encode("utf-8", "surrogateescape"))
        return {"path_args": path_args, "path_kwargs": {}}

    def reverse(self, *args: Any) -> str | None:
        if self._path is None:
            raise ValueError("Cannot reverse url regex " + self.regex.pattern)
        if len(args) != self._group_count:
            raise AssertionError("required number of arguments not found")
        values = tuple(
            url_escape(utf8(a if isinstance(a, (str, bytes)) else str(a)), plus=False) for a in args
        )
        path = self._path % values
        return path if path.isascii() else quote_non_ascii(path.encode()).decode()

    def _find_groups(self) -> tuple[str | None, int | None]:
        """The pattern as a `%`-template with a `%s` per group, and the number of those.

        `/([0-9]{4})/([a-z-]+)/` gives `("/%s/%s/", 2)`; a pattern that is not constant
        outside of its groups gives `(None, None)`.
        """
        pattern = self.regex.pattern.removeprefix("^").removesuffix("$")
        out: list[str] = []
        count = 0
        i = 0
        while i < len(pattern):
            char = pattern[i]
            if char == "(":
                if pattern[i + 1 : i + 2] == "?" and pattern[i + 1 : i + 4] != "?P<":
                    return None, None  # (?:...), lookaround, flags, back reference
                i = _group_end(pattern, i)
                out.append("%s")
                count += 1
                if pattern[i : i + 1] in ("?", "*", "+"):
                    i += 1  # the group may be absent; the URL made has it
                continue
            if char == "\\":
                i += 1
                char = pattern[i : i + 1]
                if not char or char.isalnum():
                    return None, None  # a class such as \d, or an anchor
            out.append("%%" if char == "%" else char)
            i += 1
        return "".join(out), count


def unquote_or_none(value: str | None) -> bytes | None:
    """The bytes a path group stands for; None for a group that did not take part.

    Bytes, because the handler decides on the encoding (`decode_argument`).
    """
    if value is None:
        return None
    if "%" not in value:
        return value.encode("utf-8", "surrogateescape")
    return url_unescape(value, encoding=None, plus=False)


def _decode_non_ascii(path: str) -> str:
    """The path with the text beyond ASCII that its escapes stand for; what is no UTF-8, and
    escapes of ASCII (such as that of "/"), stay."""
    return _ESCAPES.sub(_decoded, path) if "%" in path else path


def _decoded(escapes: re.Match[str]) -> str:
    try:
        return bytes.fromhex(escapes[0].replace("%", "")).decode()
    except UnicodeDecodeError:
        return escapes[0]


def literal_prefix(regex: re.Pattern[str]) -> tuple[str, bool]:
    """The text every path matched by `regex` starts with, and whether that is all of it.

    Errs on the safe side: "" is always right. Only a pattern that ends in `$` can be exact.
    """
    pattern = regex.pattern
    if regex.flags & (re.IGNORECASE | re.VERBOSE) or _has_alternatives(pattern):
        return "", False
    i = 1 if pattern.startswith("^") else 0
    chars: list[str] = []
    while i < len(pattern):
        char = pattern[i]
        if char == "\\":
            i += 1
            char = pattern[i : i + 1]
            if not char or char.isalnum():
                break
        elif char in _SPECIAL:
            if char == "$" and i == len(pattern) - 1:
                return "".join(chars), True
            if char in _QUANTIFIERS and chars:
                chars.pop()  # it may be repeated zero times
            break
        if not char.isascii():
            break  # it is percent-encoded in paths
        chars.append(char)
        i += 1
    return "".join(chars), False


def _has_alternatives(pattern: str) -> bool:
    """Whether a `|` stands outside of all groups and classes."""
    depth = i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "\\":
            i += 1
        elif char == "[":
            i = _class_end(pattern, i) - 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "|" and depth == 0:
            return True
        i += 1
    return False


def _class_end(pattern: str, start: int) -> int:
    """The index after the `]` of the character class that begins at `start`."""
    i = start + 1
    if pattern[i : i + 1] == "^":
        i += 1
    if pattern[i : i + 1] == "]":
        i += 1  # a bracket in the first place is a member
    while i < len(pattern) and pattern[i] != "]":
        i += 2 if pattern[i] == "\\" else 1
    return i + 1


def _group_end(pattern: str, start: int) -> int:
    """The index after the `)` of the group that begins at `start`."""
    depth = 0
    i = start
    while i < len(pattern):
        char = pattern[i]
        if char == "\\":
            i += 2
            continue
        if char == "[":
            i = _class_end(pattern, i)
            continue
        depth += {"(": 1, ")": -1}.get(char, 0)
        i += 1
        if depth == 0:
            break
    return i


def _compile_whole(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    """Text must match as a whole; a compiled pattern is taken as it is."""
    if not isinstance(pattern, str):
        return pattern
    return re.compile(pattern if pattern.endswith("$") else pattern + "$")
