"""Find URLs in HTML-escaped plain text and make them links. Linear in the text.

Knows only text. `escape.linkify` is the public function; it escapes first, so a quote or an
ampersand arrives here as an entity.

A URL is a start (`scheme:/`, or `www.`) and then tokens: runs of ordinary characters,
`&amp;`, `&quot;`, and one level of balanced parentheses (Wikipedia has them). A match
that ends in punctuation gives it back: in "see http://a.com/b." the dot ends the
sentence. One regular expression for all of it backtracks without bound on "((((((";
here each token is matched once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from .late import pattern_later

_MAX_SHOWN = 30  # characters of a shortened link
# A scheme is bounded, or "a-a-a-a" would be read as often as it has words.
_start = pattern_later(r"\b(?:([a-z][\w-]{1,63}+):/{1,3}+|www[.])", globals())
_token = pattern_later(r"[^\s()&<>]+|&amp;|&quot;|\((?:[^\s()&<>]|&amp;|&quot;)*\)", globals())
# What a URL does not end with: all of ASCII punctuation but "-", "_" and the slashes.
_PUNCTUATION = "`~!@#$%^*+=[]{};:'\"|,.?"


def linkify_escaped(
    text: str,
    shorten: bool,
    extra_params: str | Callable[[str], str],
    require_protocol: bool,
    permitted_protocols: Collection[str],
) -> str:
    """`escape.linkify`, for text that is HTML-escaped already."""
    if isinstance(extra_params, str) and extra_params:
        extra_params = " " + extra_params.strip()
    out: list[str] = []
    done = 0  # text[:done] is in out
    position = 0
    while match := _start.search(text, position):
        begin, protocol = match.start(), match[1]
        end = _end_of_url(text, match.end())
        position = max(end, match.end())
        if end == len(text) == match.end() or (end == match.end() and protocol is None):
            continue  # a lone "www.", or a scheme at the end of the text
        if require_protocol if protocol is None else protocol not in permitted_protocols:
            continue  # not a link, so it stays in the plain text
        url = text[begin:end]
        out.append(text[done:begin])
        out.append(_anchor(url, protocol, shorten, extra_params))
        done = end
    out.append(text[done:])
    return "".join(out)


def _end_of_url(text: str, position: int) -> int:
    """Where the URL ends whose start ends at `position`."""
    end = position  # after the last token that may end a URL
    while match := _token.match(text, position):
        position = match.end()
        token = match[0]
        if token[0] == "(":
            end = position
        elif token[0] != "&":
            kept = len(token.rstrip(_PUNCTUATION))
            if kept:
                end = match.start() + kept
    return end


def _anchor(
    url: str, protocol: str | None, shorten: bool, extra_params: str | Callable[[str], str]
) -> str:
    href = url if protocol else "http://" + url
    params = extra_params if isinstance(extra_params, str) else " " + extra_params(href).strip()
    shown = url
    if shorten and len(url) > _MAX_SHOWN:
        shown = _shortened(url, protocol)
        if shown != url:
            params += f' title="{href}"'
    return f'<a href="{href}"{params}>{shown}</a>'


def _shortened(url: str, protocol: str | None) -> str:
    """The host and the first eight characters of the path, at most about 30 characters.

    A hint is enough: the link's title has the whole.
    """
    start = url.find("/", len(protocol) + 3 if protocol else 0)
    shown = url
    if start >= 0:
        segment = re.split(r"[/?.]", url[start + 1 :], maxsplit=1)[0][:8]
        shown = f"{url[:start]}/{segment}"
    if len(shown) > _MAX_SHOWN * 1.5:
        shown = shown[:_MAX_SHOWN]
    if shown == url:
        return url
    # Never cut through an entity.
    amp = shown.rfind("&")
    if amp >= 0 and ";" not in shown[amp:]:
        shown = shown[:amp]
    # Three dots for a few characters saved are no saving.
    return shown + "..." if len(shown) + 3 < len(url) else url
