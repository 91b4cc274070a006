"""Signed values (secure cookies) and XSRF tokens, byte for byte as Tornado writes them.

Knows bytes, HMAC and the clock it is given. A value signed by Tornado 3.2 or newer is
read here and the other way round, so a fleet can be migrated one process at a time.

Format 2: `2|1:0|10:1300000000|3:key|8:dmFsdWU=|<hex>`. After the version come the key
version, the timestamp, the name and the value (base64), each as `length:text|`, and the
HMAC-SHA256 of all of that. Format 1: `<base64>|<timestamp>|<HMAC-SHA1 hex>`, with no
lengths, which is why it needs the guards in `_decode_v1`.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
import os
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from .._util.text import utf8
from ..log import gen_log

DEFAULT_SIGNED_VALUE_VERSION: Final = 2
DEFAULT_SIGNED_VALUE_MIN_VERSION: Final = 1
MIN_SUPPORTED_SIGNED_VALUE_VERSION: Final = 1
MAX_SUPPORTED_SIGNED_VALUE_VERSION: Final = 2

Secret = str | bytes | dict[int, str] | dict[int, bytes] | dict[int, str | bytes]

_DAY: Final = 24 * 60 * 60
# A clock that is a little ahead elsewhere is normal; more than this was forged (below).
_MAX_AHEAD: Final = 31 * _DAY


def create_signed_value(
    secret: Secret,
    name: str,
    value: str | bytes,
    version: int | None = None,
    clock: Callable[[], float] | None = None,
    key_version: int | None = None,
) -> bytes:
    """`value`, signed and timestamped, bound to `name`; nothing in it is secret.

    `secret` may be a dict of keys by version; `key_version` then selects the signing key.
    ValueError for an unknown version or a missing `key_version`.
    """
    timestamp = str(int((clock or time.time)())).encode()
    encoded = base64.b64encode(utf8(value))
    if version is None:
        version = DEFAULT_SIGNED_VALUE_VERSION
    if version == 1:
        if isinstance(secret, dict):
            raise ValueError("format 1 has no key versions")
        signature = create_signature_v1(secret, name, encoded, timestamp)
        return b"|".join([encoded, timestamp, signature])
    if version != 2:
        raise ValueError(f"Unsupported version {version}")
    key: str | bytes
    if isinstance(secret, dict):
        if key_version is None:
            raise ValueError("Key version must be set when sign key dict is used")
        key = secret[key_version]
    else:
        key = secret
    fields = (str(key_version or 0).encode(), timestamp, name.encode("utf-8"), encoded)
    signed = b"2|" + b"".join([b"%d:%s|" % (len(field), field) for field in fields])
    return signed + create_signature_v2(key, signed)


def decode_signed_value(
    secret: Secret,
    name: str,
    value: str | bytes | None,
    max_age_days: float = 31,
    clock: Callable[[], float] | None = None,
    min_version: int | None = None,
) -> bytes | None:
    """The value that `create_signed_value` signed; None unless all of it is right.

    None for a wrong signature, name, or version below `min_version`, an age over
    `max_age_days`, and anything malformed: what a peer sends never raises. ValueError
    only for a `min_version` we do not know.
    """
    if min_version is None:
        min_version = DEFAULT_SIGNED_VALUE_MIN_VERSION
    if min_version > MAX_SUPPORTED_SIGNED_VALUE_VERSION:
        raise ValueError(f"Unsupported min_version {min_version}")
    if not value:
        return None
    try:
        data = utf8(value)
    except UnicodeEncodeError:  # lone surrogates: not ours
        return None
    version = _version_of(data)
    if version < min_version:
        return None
    now = (clock or time.time)()
    if version == 1 and not isinstance(secret, dict):
        return _decode_v1(secret, name, data, max_age_days, now)
    if version == 2:
        return _decode_v2(secret, name, data, max_age_days, now)
    return None


def get_signature_key_version(value: str | bytes) -> int | None:
    """Which key signed `value`; None when it is malformed or of format 1."""
    data = utf8(value)
    fields = _fields_v2(data) if _version_of(data) == 2 else None
    return None if fields is None else fields[0]


def create_signature_v1(secret: str | bytes, *parts: str | bytes) -> bytes:
    """HMAC-SHA1 (hex) of the parts, run together."""
    return _sign(utf8(secret), "sha1", b"".join([utf8(part) for part in parts]))


def create_signature_v2(secret: str | bytes, signed: bytes) -> bytes:
    """HMAC-SHA256 (hex)."""
    return _sign(utf8(secret), "sha256", utf8(signed))


def _sign(key: bytes, digest: str, data: bytes) -> bytes:
    # 1.1 us by a copy of what the key makes of it, 2.5 by `hmac.digest`.
    made = _keyed(key, digest).copy()
    made.update(data)
    return made.hexdigest().encode()


# As many as a service has keys, while they are rotated; they are in its settings as well.
@functools.lru_cache(maxsize=16)
def _keyed(key: bytes, digest: str) -> hmac.HMAC:
    return hmac.new(key, digestmod=digest)


def _version_of(value: bytes) -> int:
    """The format of a signed value; 0 for none we could know.

    Format 1 starts with base64, whose length is a multiple of four: so "2|" and the
    like, digits of at most three before the first "|", is a version.
    """
    head, bar, _ = value.partition(b"|")
    if bar and 1 <= len(head) <= 3 and head.isdigit() and head[:1] != b"0":
        return int(head)
    return 1


def _decode_v1(
    secret: str | bytes, name: str, value: bytes, max_age_days: float, now: float
) -> bytes | None:
    parts = value.split(b"|")
    if len(parts) != 3:
        return None
    encoded, stamp, given = parts
    if not hmac.compare_digest(given, create_signature_v1(secret, name, encoded, stamp)):
        gen_log.warning("Invalid cookie signature %r", value[:100])
        return None
    # Nothing marks where the value ends and the timestamp begins, so digits can be
    # moved from one to the other under the same signature (BMSA-2010-01). That makes
    # the timestamp start with "0", or lie far in the future.
    if not stamp.isdigit() or stamp.startswith(b"0") or len(stamp) > 15:
        return None
    timestamp = int(stamp)
    if timestamp > now + _MAX_AHEAD:
        # The signature is right, so this is an attack or a broken clock of ours.
        gen_log.warning("Cookie timestamp in future; possible tampering %r", value[:100])
        return None
    if timestamp < now - max_age_days * _DAY:
        gen_log.warning("Expired cookie %r", value[:100])
        return None
    return _unbase64(encoded)


_Fields = tuple[int, int, bytes, bytes, int]


def _fields_v2(data: bytes) -> _Fields | None:
    """(key version, timestamp, name, value, where the signature starts) of format 2.

    None when a length, a bar or a number is wrong.
    """
    fields: list[bytes] = []
    position = 2
    for _ in range(4):
        colon = data.find(b":", position, position + 8)
        length = data[position:colon]
        if colon < 0 or not length.isdigit():
            return None
        end = colon + 1 + int(length)
        fields.append(data[colon + 1 : end])
        position = end + 1
        if data[end:position] != b"|":
            return None
    key_version, timestamp, name, value = fields
    if not key_version.isdigit() or not timestamp.isdigit() or len(key_version + timestamp) > 40:
        return None
    return int(key_version), int(timestamp), name, value, position


def _decode_v2(
    secret: Secret, name: str, data: bytes, max_age_days: float, now: float
) -> bytes | None:
    fields = _fields_v2(data)
    if fields is None:
        return None
    key_version, timestamp, signed_name, value, end = fields
    key: str | bytes
    if isinstance(secret, dict):
        if key_version not in secret:
            return None
        key = secret[key_version]
    else:
        key = secret
    if not hmac.compare_digest(data[end:], create_signature_v2(key, data[:end])):
        return None
    if signed_name != name.encode("utf-8") or timestamp < now - max_age_days * _DAY:
        return None
    return _unbase64(value)


def _unbase64(encoded: bytes) -> bytes | None:
    try:
        return base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        return None


# --- XSRF tokens -----------------------------------------------------------------------
# The token itself is 16 random bytes. Format 1 is their hex. Format 2 is
# `2|<mask>|<masked>|<timestamp>`: another random mask each time it is written, so that a
# compressed page does not give the token away (BREACH, CVE-2014-9720).


class XsrfToken(NamedTuple):
    """A parsed token: what to compare, and its format."""

    version: int
    token: bytes
    timestamp: float


def new_xsrf_token(clock: Callable[[], float] | None = None) -> XsrfToken:
    """A fresh token. `version` 0: it came from no cookie."""
    return XsrfToken(0, os.urandom(16), (clock or time.time)())


def encode_xsrf_token(token: bytes, timestamp: float, version: int = 2) -> bytes:
    """A token as cookie or form value, masked afresh. ValueError for an unknown version."""
    if version == 1:
        return binascii.b2a_hex(token)
    if version != 2:
        raise ValueError(f"unknown xsrf cookie version {version}")
    mask = os.urandom(4)
    masked = binascii.b2a_hex(mask_bytes(mask, token))
    return b"|".join([b"2", binascii.b2a_hex(mask), masked, b"%d" % int(timestamp)])


def decode_xsrf_token(
    value: str | bytes, clock: Callable[[], float] | None = None
) -> XsrfToken | None:
    """A token from a cookie or form; None when it is malformed (never raises).

    Text in no known format is taken as a format 1 token by its bytes, as Tornado does: programs
    choose their own tokens ("deadbeef", "xoxo").
    """
    try:
        data = utf8(value)
        if not data:
            return None
        version = _version_of(data)
        if version == 2:
            _, mask, masked, stamp = data.split(b"|")
            if not stamp.isdigit() or len(stamp) > 15:
                return None
            raw_mask = binascii.a2b_hex(mask)
            token = mask_bytes(raw_mask, binascii.a2b_hex(masked))
            return XsrfToken(2, token, int(stamp)) if len(raw_mask) == 4 else None
        if version != 1:
            return None  # a format newer than ours
    except (ValueError, UnicodeError):
        return None
    try:
        token = binascii.a2b_hex(data)
    except binascii.Error:
        token = data
    return XsrfToken(1, token, (clock or time.time)())


def mask_bytes(mask: bytes, data: bytes) -> bytes:
    """`data` XORed with `mask` (four bytes) repeated; twice gives `data` again."""
    size = len(data)
    if not size:
        return b""
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
