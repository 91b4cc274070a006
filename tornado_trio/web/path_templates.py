"""Path patterns such as "/orders/{id:int}", beside regular expressions.

Knows the converters by name and how a pattern becomes an expression that `route_index` can find
by its literal beginning. Must not know handlers.

    converter   matches                      the handler gets
    str         one segment, not empty       str
    int         digits, a sign before them   int
    float       12, 12.5, -0.5               float
    uuid        a UUID in its usual form     uuid.UUID
    path        anything, slashes too        str
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from .._util.late import pattern_later
from .._util.records import dataclass
from ..escape import url_escape
from .matchers import PathMatches

if TYPE_CHECKING:
    from .request import Request

__all__ = [
    "CONVERTERS",
    "Converter",
    "PathTemplate",
    "check_parts",
    "foreign_part",
    "is_template",
    "odd_part",
    "path_matcher",
]


@dataclass(frozen=True, slots=True)
class Converter:
    """What a named part of a path matches (a regular expression without groups), and how it is
    converted; a ValueError of `convert` means that the path does not match."""

    regex: str
    convert: Callable[[str], Any] | None = None


def _uuid(text: str) -> Any:
    from uuid import UUID  # for the few that have such routes

    return UUID(text)


#: By name; a program may add its own before it makes rules.
CONVERTERS: Final[dict[str, Converter]] = {
    "str": Converter("[^/]+"),
    "int": Converter("-?[0-9]{1,18}", int),
    "float": Converter(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", float),
    "uuid": Converter("[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", _uuid),
    "path": Converter(".+"),
}

# A brace before a digit is a quantifier of a regular expression, before a name it is not.
_PART_TEXT = r"\{([A-Za-z_]\w*)(?::([A-Za-z_]\w*))?\}"
_PART = pattern_later(_PART_TEXT, globals())


def is_template(pattern: str) -> bool:
    """Whether a path pattern given as text is a template rather than a regular expression."""
    return "{" in pattern and _PART.search(pattern) is not None


# A brace that is neither a part of ours nor a quantifier, and the parts of other frameworks.
_QUANTIFIER_TEXT = r"\{\d+(?:,\d*)?\}|\{,\d+\}"
_QUANTIFIER = pattern_later(_QUANTIFIER_TEXT, globals())
_ODD = pattern_later(r"\{[^}]*\}?|(?<!\?P)<(?:\w+:)?\w+>", globals())


def odd_part(pattern: str) -> str | None:
    """What looks like a part and is none, such as "{id", "{id:[0-9]+}" or "<int:id>"."""
    if "{" not in pattern and "<" not in pattern:
        return None
    found = _ODD.search(_QUANTIFIER.sub("", _PART.sub("", pattern)))
    return found and found[0]


# What may hold braces and angle brackets in an expression, or in a template of ours. As text: most
# programs have neither in a pattern, and `re` keeps what it has compiled.
_INERT = (
    rf"(?s)\\N\{{[^}}]*\}}|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P<\w+>"
    rf"|{_QUANTIFIER_TEXT}|{_PART_TEXT}"
)
_FOREIGN = r"\{(?:\}|[A-Za-z_][^}]*\}?)|<(?:\w+:)?\w+>"


def foreign_part(pattern: str) -> str | None:
    """What can only be meant as a part, in a template or a regular expression: an expression in
    braces, which others have ("{id:[0-9]+}"), or "<int:id>". No path has such text unescaped: it
    would never match. Quantifiers, escapes, classes and named groups are none."""
    if "{" not in pattern and "<" not in pattern:
        return None
    text = re.sub(_INERT, lambda found: " " * len(found[0]), pattern)
    found = re.search(_FOREIGN, text)
    return found and pattern[found.start() : found.end()]


def check_parts(matcher: object) -> None:
    """ValueError, with the remedy, for the matcher of a rule that has a part of others."""
    if not isinstance(matcher, PathMatches):
        return
    pattern = matcher.template if isinstance(matcher, PathTemplate) else matcher.pattern
    odd = foreign_part(pattern or "")
    if odd is not None:
        raise ValueError(
            f"{pattern!r} would never match: {odd!r} is no part of a path. Write {{name}} or "
            f"{{name:int}} ({', '.join(CONVERTERS)}), or a regular expression with a group, "
            "(?P<name>[0-9]+), and no {name} beside it; a literal brace is \\{"
        )


def path_matcher(pattern: str) -> PathMatches:
    """The matcher for a rule that begins with text."""
    return PathTemplate(pattern) if is_template(pattern) else PathMatches(pattern)


class PathTemplate(PathMatches):
    """Matches a path against a pattern with named parts, and converts these.

    Everything outside of the braces is literal text. ValueError for a converter that does not
    exist or a name that comes twice.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self.converters: dict[str, Converter] = {}
        expression = ["^"]
        end = 0
        for part in _PART.finditer(template):
            expression.append(re.escape(template[end : part.start()]))
            expression.append(self._group(part[1], part[2] or "str"))
            end = part.end()
        expression.append(re.escape(template[end:]) + "$")
        super().__init__(re.compile("".join(expression)))
        self._converts = {
            name: converter.convert
            for name, converter in self.converters.items()
            if converter.convert is not None
        }

    def _group(self, name: str, kind: str) -> str:
        if name in self.converters:
            raise ValueError(f"{self.template!r} has two parts called {name!r}")
        converter = CONVERTERS.get(kind)
        if converter is None:
            known = ", ".join(CONVERTERS)
            raise ValueError(f"{self.template!r}: no converter {kind!r}; there are {known}")
        self.converters[name] = converter
        return f"(?P<{name}>{converter.regex})"

    def __repr__(self) -> str:
        return f"PathTemplate({self.template!r})"

    @property
    def pattern(self) -> str | None:
        return self.template

    def match(self, request: Request) -> dict[str, Any] | None:
        found = super().match(request)
        if found and self._converts:
            values = found["path_kwargs"]
            try:
                for name, convert in self._converts.items():
                    values[name] = convert(values[name].decode())
            except ValueError:
                return None
        return found

    def reverse(self, *args: Any) -> str | None:
        if len(args) != len(self.converters):
            raise AssertionError("required number of arguments not found")
        values = iter(args)
        return _PART.sub(lambda part: _escaped(next(values), part[2]), self.template)


def _escaped(value: Any, kind: str | None) -> str:
    # quote() leaves the slash, which would be another segment.
    text = url_escape(str(value), plus=False)
    return text if kind == "path" else text.replace("/", "%2F")
