"""Field values with parameters: `form-data; name="a"; filename*=UTF-8''%C3%A1`.

Content-Type, Content-Disposition, Accept items, websocket extensions. Knows only text.
Linear in the value: quantifiers are possessive, so a quoted string full of semicolons
is looked at once (CVE-2025-67726, CVE-2024-24762).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._util.late import pattern_later
from .._util.percent import unquote_to_bytes

# One parameter. Its value is a quoted string; or what browsers make of a text with backslashes
# or quotes in it (they escape neither), which ends at the first quote before `;` or the end;
# or anything else up to a `;` that is not between quotes, an unfinished one running to the end.
_name = r"[ \t\r\n]*+;([^;=]*+)"
_end = r"(?=[ \t\r\n]*+(?:;|\Z))"
_quoted = rf""""((?:[^"\\]++|\\.)*+)"{_end}"""
_unescaped = rf""""([^"]*+(?:"(?!{_end})[^"]*+)*+)"{_end}"""
_other = r"""((?:[^;"]++|"(?:[^"\\]++|\\.?)*+(?:"|\Z))*+)"""
_parameter = pattern_later(
    rf"{_name}(?:=[ \t\r\n]*+(?:{_quoted}|{_unescaped}|{_other}))?", globals(), re.DOTALL
)
# For what follows a quote that nothing ends: then nothing ends any later one, and to look for
# that each time would be quadratic.
_last_parameters = pattern_later(
    rf"{_name}(?:=[ \t\r\n]*+(?:{_quoted}|(\A\Z)|{_other}))?", globals(), re.DOTALL
)
# Only these two are escapes: old browsers send `filename="C:\dir\file"`.
_escaped = pattern_later(r'\\(["\\])', globals())
# RFC 2231: name*0*=..., name*1=...
_continued = pattern_later(r"(.+)\*([0-9]{1,3})(\*?)", globals())
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
    at, pattern = len(value), _parameter
    while (match := pattern.match(line, at)) is not None:
        at = match.end()
        name = match[1].strip(_BLANKS).lower()
        if match.lastindex == 1 or not name:
            continue
        _, text, unescaped, other = match.groups()
        if other is not None:
            text = other.strip(_BLANKS)
            if text.startswith('"'):
                pattern = _last_parameters
        elif text is None:
            text = unescaped
        elif "\\" in text:
            text = _escaped.sub(r"\1", text)
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


def media_type(content_type: str) -> str:
    """The type of a Content-Type field in lower case, without its parameters.

    >>> media_type("Text/HTML; charset=UTF-8")
    'text/html'
    """
    return content_type.partition(";")[0].strip(_BLANKS).lower()


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


def type_of_file(name: str) -> str:
    """The media type of what has this filename, by its ending.

    A gzip file is application/gzip (RFC 6713); other compressions have no type.
    """
    import mimetypes  # when the first file is asked for: it reads the system's tables

    kind, encoding = mimetypes.guess_type(name)
    if encoding == "gzip":
        return "application/gzip"
    if encoding is not None or kind is None:
        return "application/octet-stream"
    return kind
