"""Percent-encoding and query strings, as bytes. Knows only the syntax (RFC 3986, WHATWG forms)."""

from __future__ import annotations

import binascii
import io
import itertools
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

from .late import later, pattern_later

if TYPE_CHECKING:
    import secrets
else:
    secrets = later("secrets", globals())

# Pieces for the decoder, which needs a few times as much memory as it is given.
_CHUNK: Final = 32 * 1024
#: Bytes of a form that are parsed in one go: 2 ms at worst.
STEP: Final = 64 * 1024
# Bytes of a field's name. It becomes text and is hashed, each in one go.
_MAX_NAME: Final = 8 * 1024 * 1024
# A few escapes by hand: 4 to 11 k instructions; 11 k by the decoder, which has so many calls.
_SHORT: Final = 256
_FEW: Final = 4
_escapes: Final[dict[bytes, bytes]] = {}  # made when first needed
_ALL: Final = bytes(range(256))
_TO_EQUALS: Final = bytes.maketrans(b"%", b"=")  # four times as fast as to replace
_TO_PERCENT: Final = bytes.maketrans(b"=", b"%")
_NON_ASCII: Final = pattern_later(rb"[\x80-\xff]", globals())


def unquote_to_bytes(data: bytes) -> bytes:
    """Percent-decode; invalid escapes are kept. Linear in time and memory.

    By the decoder of quoted-printable, which is written in C: valid escapes cost a twentieth
    of what `urllib.parse.unquote_to_bytes` needs, broken ones (of which that module makes an
    exception each) a tenth.
    """
    if b"%" not in data:
        return data
    if len(data) <= _SHORT:
        pieces = data.split(b"%")
        if len(pieces) <= _FEW + 1:
            if not _escapes:
                _learn_escapes()
            decoded = [pieces[0]]
            del pieces[0]
            for piece in pieces:
                byte = _escapes.get(piece[:2])
                if byte is None:
                    decoded.append(b"%" + piece)
                else:
                    decoded.append(byte)
                    decoded.append(piece[2:])
            return b"".join(decoded)
    if len(data) <= _CHUNK:
        return _unquote(data)
    return b"".join([_unquote(piece) for piece in _pieces(data, _CHUNK)])


def _learn_escapes() -> None:
    codes = itertools.product(b"0123456789abcdefABCDEF", repeat=2)
    # At once: another thread must not see half of it.
    _escapes.update({bytes(code): bytes([int(bytes(code), 16)]) for code in codes})


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    """`data` in pieces of about `size` bytes that split no escape."""
    start = 0
    while start < len(data):
        end = start + size
        split = data.rfind(b"%", end - 2, end)
        if split > start and end < len(data):
            end = split
        yield data[start:end]
        start = end


def _unquote(data: bytes) -> bytes:
    if b"=" not in data and b"%%" not in data and b"\n" not in data and b"\r" not in data:
        decoded = binascii.a2b_qp(data.translate(_TO_EQUALS))
        # A valid escape takes away two bytes, a broken one less.
        if len(decoded) == len(data) - 2 * data.count(b"%"):
            return decoded
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\n", b"%0A").replace(b"\r", b"%0D")  # lines would be joined
    mark = b"&"  # which a field does not hold
    while True:
        decoded, marks = _unquote_around(data, mark)
        if not marks or decoded.count(mark) == marks:
            plain = decoded.translate(_TO_PERCENT)
            return plain.replace(mark, b"=") if marks else plain
        # Some are of the data. (In none of these marks can another one begin.)
        unused = _ALL.translate(None, decoded + b"%=\r\n")
        mark = unused[:1] or b"\0" + secrets.token_hex(2).encode()


def _unquote_around(data: bytes, mark: bytes) -> tuple[bytes, int]:
    """`data` with "=" where a broken escape was, and `mark` for each real "="; how many."""
    marks = 0
    if b"=" in data:
        marks = data.count(b"=")
        data = data.replace(b"=", mark)
    for escape in (b"%3D", b"%3d"):
        if escape in data:
            marks += data.count(escape)
            data = data.replace(escape, mark)
    if b"%%" in data:
        # The first one is plain. (Once for pairs, once more for what stands between them.)
        data = data.replace(b"%%", b"%25%").replace(b"%%", b"%25%")
    # The dot keeps an unfinished escape at the end from being dropped.
    return binascii.a2b_qp(data.translate(_TO_EQUALS) + b".")[:-1], marks


def quote_non_ascii(data: bytes) -> bytes:
    """Percent-encode what is not ASCII, and nothing else: of a URL, its bytes as they were
    meant (RFC 3987 3.1)."""
    if data.isascii():
        return data
    return _NON_ASCII.sub(lambda match: b"%%%02X" % match[0][0], data)


def parse_qs_bytes(
    qs: str | bytes,
    keep_blank_values: bool = False,
    strict_parsing: bool = False,
    *,
    max_num_fields: int | None = None,
) -> dict[str, list[bytes]]:
    """The arguments of a query string or urlencoded body: name -> values, as bytes.

    Names are latin-1 text, so that any bytes are a name; values stay bytes because
    their encoding is not known. Only "&" separates (CVE-2021-23336). ValueError for more
    than `max_num_fields`, and for a malformed field with `strict_parsing`.
    """
    data = qs.encode("latin-1") if isinstance(qs, str) else bytes(qs)
    if max_num_fields is not None and data.count(b"&") >= max_num_fields:
        raise ValueError("Max number of fields exceeded")
    if not data:
        return {}  # no field at all, which is none that is malformed
    if b"+" in data:
        data = data.replace(b"+", b" ")
    result: dict[str, list[bytes]] = {}
    for field in data.split(b"&"):
        name, equals, value = field.partition(b"=")
        if not equals and strict_parsing:
            raise ValueError(f"bad query field: {field!r}")
        if value or (keep_blank_values and (field or equals)):
            if b"%" in field:
                value = unquote_to_bytes(value)
                if b"%" in name:
                    name = unquote_to_bytes(name)
            result.setdefault(name.decode("latin-1"), []).append(value)
    return result


def parse_form_steps(
    data: bytes, max_num_fields: int | None = None
) -> Generator[None, None, dict[str, list[bytes]]]:
    """`parse_qs_bytes(data, keep_blank_values=True)`, with a yield after every `STEP` bytes.

    A body of 100 MB in one go would hold up everything else for a second. ValueError also for
    a name of more than 8 MiB.
    """
    if len(data) <= STEP:
        return parse_qs_bytes(data, keep_blank_values=True, max_num_fields=max_num_fields)
    result: dict[str, list[bytes]] = {}
    # These give out what was written without a copy, unlike a list of pieces or a bytearray.
    name, value = io.BytesIO(), io.BytesIO()
    in_value = False
    separators = 0
    for piece in _pieces(data, STEP):
        separators += piece.count(b"&")
        if max_num_fields is not None and separators >= max_num_fields:
            raise ValueError("Max number of fields exceeded")
        for number, field in enumerate(piece.replace(b"+", b" ").split(b"&")):
            if number:
                if in_value or name.tell():
                    yield from _add(result, name, value)
                name, value, in_value = io.BytesIO(), io.BytesIO(), False
            if not in_value:
                before, equals, field = field.partition(b"=")
                name.write(unquote_to_bytes(before))
                if name.tell() > _MAX_NAME:
                    raise ValueError("Field name too long")
                in_value = bool(equals)
            value.write(unquote_to_bytes(field))
        yield
    if in_value or name.tell():
        yield from _add(result, name, value)
    return result


def _add(
    result: dict[str, list[bytes]], name: io.BytesIO, value: io.BytesIO
) -> Generator[None, None, None]:
    key = name.getvalue().decode("latin-1")
    if len(key) > STEP:
        yield
        hash(key)  # the dict needs it
        yield
    result.setdefault(key, []).append(value.getvalue())
