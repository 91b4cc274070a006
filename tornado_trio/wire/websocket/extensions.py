"""Sec-WebSocket-Extensions: reading the field, agreeing on permessage-deflate.

RFC 6455 section 9.1 and RFC 7692 sections 5 to 7. Pure functions over strings.

An invalid offer (unknown or repeated parameter, bad window) is declined, and the next one
considered; a malformed field is a 400. Neither is ever a 500.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from .. import abnf
from .deflate import DeflateOptions, DeflateParams

__all__ = [
    "ExtensionError",
    "ExtensionOffer",
    "agree_deflate",
    "check_deflate_answer",
    "format_extension",
    "offer_deflate",
    "parse_extensions",
]

DEFLATE: Final = "permessage-deflate"

Parameter = tuple[str, "str | None"]
ExtensionOffer = tuple[str, "list[Parameter]"]

# One step per token or separator and no alternative that overlaps another: linear.
_TOKEN = abnf.token
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_BLANK = re.compile(r"[ \t]*")


class ExtensionError(ValueError):
    """The field is malformed, or the peer's answer does not match the offer."""


def _skip(field: str, at: int) -> int:
    match = _BLANK.match(field, at)
    return match.end() if match else at


def _token(field: str, at: int) -> tuple[str, int]:
    match = _TOKEN.match(field, at)
    if match is None:
        raise ExtensionError(f"token expected at {at}")
    return match.group(), _skip(field, match.end())


def _value(field: str, at: int) -> tuple[str, int]:
    match = _QUOTED.match(field, at)
    if match is None:
        return _token(field, at)
    # RFC 6455 9.1: after unquoting, the value must be a token, too.
    value = re.sub(r"\\(.)", r"\1", match.group()[1:-1])
    if _TOKEN.fullmatch(value) is None:
        raise ExtensionError(f"quoted value at {at} is not a token")
    return value, _skip(field, match.end())


def parse_extensions(field: str) -> list[ExtensionOffer]:
    """The offers of a field value, in order; parameters without a value have None.

    Raises:
        ExtensionError: it is not what RFC 6455 9.1 describes.
    """
    offers: list[ExtensionOffer] = []
    at, end = _skip(field, 0), len(field)
    while at < end:
        if field[at] == ",":  # empty list elements are allowed (RFC 9110 5.6.1)
            at = _skip(field, at + 1)
            continue
        name, at = _token(field, at)
        parameters: list[Parameter] = []
        while at < end and field[at] == ";":
            key, at = _token(field, _skip(field, at + 1))
            value: str | None = None
            if at < end and field[at] == "=":
                value, at = _value(field, _skip(field, at + 1))
            parameters.append((key, value))
        if at < end and field[at] != ",":
            raise ExtensionError(f"unexpected character at {at}")
        offers.append((name, parameters))
    return offers


def format_extension(name: str, parameters: Iterable[Parameter]) -> str:
    """The inverse of `parse_extensions` for one offer."""
    parts = [name]
    parts += [key if value is None else f"{key}={value}" for key, value in parameters]
    return "; ".join(parts)


@dataclass(slots=True)
class _Read:
    """The parameters of one offer or answer; 0: absent, -1: a window without a value."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = 0
    client_max_window_bits: int = 0


_WINDOWS: Final = {str(bits): bits for bits in range(8, 16)}


def _read(parameters: Sequence[Parameter], *, offer: bool) -> _Read:
    read = _Read()
    seen: set[str] = set()
    for key, value in parameters:
        if key in seen:
            raise ExtensionError(f"{key} is repeated")
        seen.add(key)
        if key in ("server_no_context_takeover", "client_no_context_takeover"):
            if value is not None:
                raise ExtensionError(f"{key} takes no value")
            setattr(read, key, True)
        elif key in ("server_max_window_bits", "client_max_window_bits"):
            if value is None and offer and key == "client_max_window_bits":
                bits = -1
            else:
                bits = _WINDOWS.get(value or "", 0)
                if not bits:
                    raise ExtensionError(f"invalid {key}")
            setattr(read, key, bits)
        else:
            raise ExtensionError(f"unknown parameter {key}")
    return read


def agree_deflate(
    offers: Iterable[ExtensionOffer], options: DeflateOptions
) -> tuple[DeflateParams, str] | None:
    """The server's part: the first acceptable offer and the field value that answers it."""
    for name, parameters in offers:
        if name.lower() != DEFLATE:
            continue
        try:
            read = _read(parameters, offer=True)
        except ExtensionError:
            continue  # RFC 7692 5.1: decline this offer, consider the next
        if read.server_max_window_bits == 8:
            continue  # zlib cannot write with so small a window
        return _answer(read, options)
    return None


def _answer(read: _Read, options: DeflateOptions) -> tuple[DeflateParams, str]:
    answer: list[Parameter] = []
    server_fresh = read.server_no_context_takeover or options.no_context_takeover
    if server_fresh:
        answer.append(("server_no_context_takeover", None))
    client_fresh = read.client_no_context_takeover or options.peer_no_context_takeover
    if client_fresh:
        answer.append(("client_no_context_takeover", None))
    server_bits = min(read.server_max_window_bits or 15, options.window_bits)
    if server_bits < 15:
        # Allowed without having been asked for (RFC 7692 7.1.2.1): a promise of ours that
        # lets the client save memory.
        answer.append(("server_max_window_bits", str(server_bits)))
    client_bits = 15
    if read.client_max_window_bits:
        offered = read.client_max_window_bits
        client_bits = min(15 if offered < 0 else offered, options.peer_window_bits or 15)
        if client_bits < 15:
            answer.append(("client_max_window_bits", str(client_bits)))
    params = DeflateParams(server_fresh, client_fresh, server_bits, client_bits)
    return params, format_extension(DEFLATE, answer)


def offer_deflate(options: DeflateOptions) -> str:
    """The client's offer."""
    offer: list[Parameter] = []
    if options.peer_no_context_takeover:
        offer.append(("server_no_context_takeover", None))
    if options.no_context_takeover:
        offer.append(("client_no_context_takeover", None))
    if options.peer_window_bits is not None:
        offer.append(("server_max_window_bits", str(options.peer_window_bits)))
    bits = None if options.window_bits == 15 else str(options.window_bits)
    offer.append(("client_max_window_bits", bits))
    return format_extension(DEFLATE, offer)


def check_deflate_answer(
    accepted: Sequence[ExtensionOffer], options: DeflateOptions | None
) -> DeflateParams | None:
    """The client's part: what the server accepted, None for no compression.

    Raises:
        ExtensionError: it accepted what was not offered, or on other terms.
    """
    if not accepted:
        return None
    if len(accepted) > 1 or accepted[0][0].lower() != DEFLATE or options is None:
        raise ExtensionError("the server accepted an extension that was not offered")
    read = _read(accepted[0][1], offer=False)
    if options.peer_no_context_takeover and not read.server_no_context_takeover:
        raise ExtensionError("the server ignored server_no_context_takeover")
    wish = options.peer_window_bits
    if wish is not None and not 0 < read.server_max_window_bits <= wish:
        raise ExtensionError("the server ignored server_max_window_bits")
    client_bits = min(read.client_max_window_bits or 15, options.window_bits)
    if client_bits == 8:
        raise ExtensionError("a window of 8 bits is not supported")
    return DeflateParams(
        read.server_no_context_takeover,
        read.client_no_context_takeover or options.no_context_takeover,
        read.server_max_window_bits or 15,
        client_bits,
    )
