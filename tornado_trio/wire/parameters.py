"""Field values with parameters: `form-data; name="a"; filename*=UTF-8''%C3%A1`.

Content-Type, Content-Disposition, Accept items, websocket extensions. Knows only text.
Linear in the value: quantifiers are possessive, so a quoted string full of semicolons
is looked at once (CVE-2025-67726, CVE-2024-24762).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._util.percent import unquote_to_bytes

# One parameter. A quoted string may hold semicolons; an unfinished one runs to the end.
_parameter = re.compile(
    r""";([^;=]*+)(?:=((?:[^;"]++|"(?:[^"\\]++|\\.?)*+(?:"|\Z))*+))?""", re.DOTALL
)
_quoted = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
# Only these two are escapes: old browsers send `filename="C:\dir\file"`.
_escaped = re.compile(r'\\(["\\])')
_continued = re.compile(r"(.+)\*([0-9]{1,3})(\*?)")  # RFC 2231: name*0*=..., name*1=...
_BLANKS = " \t\r\n"


def parse_header(line: str) -> tuple[str, dict[str, str]]:
    """The value before the first `;` and its parameters, names in lower case.

    Parameters without `=` are left out; `name*=` (RFC 5987) is decoded and wins over
    `name=`. Never fails.

    >>> parse_header("text/html; charset=UTF-8")
    ('text/html', {'charset': 'UTF-8'})
    """
    value, semicolon, _ = line.partition(";")
    parameters: dict[str, str] = {}
    if not semicolon:
        return value.strip(_BLANKS), parameters
    extended: dict[str, str] = {}
    pieces: dict[str, dict[int, str]] = {}
    for match in _parameter.finditer(line, len(value)):
        name = match[1].strip(_BLANKS).lower()
        if match[2] is None or not name:
            continue
        text = _unquoted(match[2].strip(_BLANKS))
        if "*" not in name:
            parameters[name] = text
        elif name.endswith("*") and "*" not in name[:-1]:
            extended[name[:-1]] = _decode_extended(text)
        elif continued := _continued.fullmatch(name):
            pieces.setdefault(continued[1], {})[int(continued[2])] = text
            if continued[3]:
                extended.setdefault(continued[1], "")
    for name, numbered in pieces.items():
        joined = "".join([numbered[number] for number in sorted(numbered)])
        parameters[name] = _decode_extended(joined) if extended.pop(name, None) == "" else joined
    parameters.update(extended)
    return value.strip(_BLANKS), parameters


def _unquoted(text: str) -> str:
    match = _quoted.fullmatch(text)
    if match is None:
        return text
    return _escaped.sub(r"\1", match[1]) if "\\" in text else match[1]


def _decode_extended(text: str) -> str:
    """`charset'language'percent-encoded` as text; U+FFFD for what does not decode."""
    charset, quote, rest = text.partition("'")
    language, quote, encoded = rest.partition("'")
    if not quote:
        charset, encoded = "utf-8", text
    raw = unquote_to_bytes(encoded.encode("utf-8"))
    # Two charsets are all RFC 5987 asks for; others go through no codec lookup.
    return raw.decode("utf-8" if charset.lower() in ("utf-8", "") else "latin-1", "replace")


def encode_header(value: str, parameters: Mapping[str, str | None]) -> str:
    """The inverse of `parse_header`; a parameter that is None comes without `=`.

    Nothing is quoted: the caller gives tokens.

    >>> encode_header("permessage-deflate", {"a": None, "b": "1"})
    'permessage-deflate; a; b=1'
    """
    out = [value]
    for name, parameter in parameters.items():
        out.append(name if parameter is None else f"{name}={parameter}")
    return "; ".join(out)
