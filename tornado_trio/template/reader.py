"""Template source to tokens. Knows the three kinds of tag and the lines they start on;
knows nothing of what a tag means.

    {{ ... }}   an expression          {% ... %}   a directive        {# ... #}   a comment

A tag whose opening is followed by ``!`` is not a tag: the opening is text, the ``!`` goes.
Of three or more braces in a row the innermost two open the expression, which
is what JavaScript in a template wants.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tornado_trio.template.errors import ParseError

__all__ = ["Token", "tokens"]

TokenKind = Literal["text", "expression", "directive"]

_OPENING = re.compile(r"\{(?:\{(?!\{)|[%#])")

_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_WHAT = {"{{": "expression", "{%": "block", "{#": "comment"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the source. `value` is the text itself, or what stands inside the tag, stripped;
    `line` is where that starts."""

    kind: TokenKind
    value: str
    line: int


def tokens(source: str, name: str) -> Iterator[Token]:
    """Split `source` into tokens; comments are left out.

    Raises:
        ParseError: a tag is not closed, or is empty. `name` is the file it names.
    """
    position = 0  # start of the text not yet given out
    line = 1  # line of `position`
    length = len(source)
    while position < length:
        found = _OPENING.search(source, position)
        if found is None:
            yield Token("text", source[position:], line)
            return
        start = found.start()
        opening = found.group()
        if start > position:
            yield Token("text", source[position:start], line)
            line += source.count("\n", position, start)
        position = found.end()
        if source.startswith("!", position):
            yield Token("text", opening, line)
            position += 1
            continue
        closing = _CLOSING[opening]
        end = source.find(closing, position)
        if end < 0:
            raise ParseError(f"Missing end {_WHAT[opening]} {closing}", name, line)
        raw = source[position:end]
        content = raw.strip()
        if opening == "{{":
            if not content:
                raise ParseError("Empty expression", name, line)
            yield Token("expression", content, _first_line(raw, line))
        elif opening == "{%":
            if not content:
                raise ParseError("Empty block tag ({% %})", name, line)
            yield Token("directive", content, _first_line(raw, line))
        line += source.count("\n", position, end)
        position = end + 2


def _first_line(raw: str, line: int) -> int:
    """The line of the first character of `raw` that is not blank; `raw` starts on `line`."""
    return line + raw.count("\n", 0, len(raw) - len(raw.lstrip()))
