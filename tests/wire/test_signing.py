"""Signed values and XSRF tokens."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.wire.signing import (
    create_signature_v1,
    create_signature_v2,
    create_signed_value,
    decode_signed_value,
    decode_xsrf_token,
    encode_xsrf_token,
    get_signature_key_version,
    mask_bytes,
    new_xsrf_token,
)

SECRET = "It's a secret to everybody"
KEYS = {0: "zero", 1: b"one"}
NOW = 1300000000
DAY = 86400


def now() -> float:
    return NOW


# What real Tornado signs (its documented formats): a fleet must be able to mix.
V1 = b"dmFsdWU=|1300000000|31c934969f53e48164c50768b40cbd7e2daaaa4f"
V2 = (
    b"2|1:0|10:1300000000|3:key|8:dmFsdWU=|"
    b"3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152"
)


def decode(value: bytes | str | None, **kwargs: object) -> bytes | None:
    options: dict[str, object] = {"clock": now, **kwargs}
    return decode_signed_value(SECRET, "key", value, **options)  # type: ignore[arg-type]


def test_known_values() -> None:
    assert create_signed_value(SECRET, "key", "value", version=1, clock=now) == V1
    assert create_signed_value(SECRET, "key", "value", clock=now) == V2
    for value in (V1, V2, V1.decode(), V2.decode()):
        assert decode(value) == b"value"
    assert decode(V1, min_version=2) is None
    assert decode(V2, min_version=2) == b"value"


def test_arguments() -> None:
    with pytest.raises(ValueError):
        create_signed_value(SECRET, "k", "v", version=3)
    with pytest.raises(ValueError):
        create_signed_value(dict(KEYS), "k", "v")
    with pytest.raises(ValueError):
        create_signed_value(dict(KEYS), "k", "v", version=1)
    with pytest.raises(KeyError):
        create_signed_value(dict(KEYS), "k", "v", key_version=7)
    with pytest.raises(ValueError):
        decode(V2, min_version=3)
    assert decode(None) is None and decode(b"") is None
    assert decode_signed_value(SECRET, "k", create_signed_value(SECRET, "k", "v")) == b"v"


def test_bound_to_the_name() -> None:
    for version in (1, 2):
        signed = create_signed_value(SECRET, "other", "value", version=version, clock=now)
        assert decode(signed) is None


def test_age() -> None:
    for version in (1, 2):
        old = create_signed_value(
            SECRET, "key", "value", version=version, clock=lambda: NOW - 32 * DAY
        )
        assert decode(old) is None
        assert decode(old, max_age_days=33) == b"value"


def test_v1_says_what_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    """As Tornado's logs do: someone is guessing, or sessions end unexpectedly."""
    assert decode(V1[:-1] + b"x") is None
    assert decode(V1, max_age_days=-1) is None
    assert [record.getMessage().partition(" b")[0] for record in caplog.records] == [
        "Invalid cookie signature",
        "Expired cookie",
    ]


def test_none_is_no_value() -> None:
    with pytest.raises(TypeError):
        create_signed_value(SECRET, "key", None)  # type: ignore[arg-type]


def sign_v1(value: bytes, stamp: bytes) -> bytes:
    signature = create_signature_v1(SECRET, "key", value, stamp)
    return b"|".join([value, stamp, signature])


def test_v1_separator_shift() -> None:
    """BMSA-2010-01: moving digits between value and timestamp keeps the v1 signature."""
    good = sign_v1(b"dmFsdWU=", b"1300000000")
    assert decode(good) == b"value"
    signature = good.rpartition(b"|")[2]
    # "dmFsdWU=1" + "300000000" has the same signature; so has a value without its tail.
    assert decode(b"dmFsdWU=1|300000000|" + signature) is None
    assert decode(b"dmFs|dWU=1300000000|" + signature) is None


@pytest.mark.parametrize("stamp", [b"01300000000", b"1400000000", b"9" * 5000, b"-5", b"x", b""])
def test_v1_timestamps(stamp: bytes) -> None:
    assert decode(sign_v1(b"dmFsdWU=", stamp)) is None


def test_v2_tampering() -> None:
    signature = V2.rpartition(b"|")[2]
    for prefix in (
        b"2|1:1|10:1300000000|3:key|8:dmFsdWU=|",
        b"2|1:0|10:130000000|3:key|8:dmFsdWU=|",
        b"2|1:0|10:1300000000|3:keey|8:dmFsdWU=|",
        b"2|1:0|10:1300000001|3:key|8:dmFsdWU=|",
        b"2|1:0|10:1300000000|3:key|8:dmFsdWV=|",
    ):
        assert decode(prefix + signature) is None
    for other in (b"0" * 64, signature[:-1], signature + b"0", b"", b"\xe9" * 64):
        assert decode(V2.rpartition(b"|")[0] + b"|" + other) is None


@pytest.mark.parametrize(
    "fields",
    [b"1:x|10:1300000000|3:key|4:dg==|", b"1:0|1:x|3:key|4:dg==|", b"1:0|10:1300000000|3:key|1:x|"],
)
def test_v2_signed_nonsense(fields: bytes) -> None:
    signed = b"2|" + fields
    assert decode(signed + create_signature_v2(SECRET, signed)) is None


def test_key_versions() -> None:
    keys = dict(KEYS)
    signed = create_signed_value(keys, "key", b"\xe9", clock=now, key_version=1)
    assert decode_signed_value(keys, "key", signed, clock=now) == b"\xe9"
    assert get_signature_key_version(signed) == 1
    assert decode_signed_value({0: "zero"}, "key", signed, clock=now) is None
    assert decode_signed_value({0: "zero", 1: "wrong"}, "key", signed, clock=now) is None
    assert decode_signed_value(keys, "key", V1, clock=now) is None
    assert get_signature_key_version(V1) is None
    assert get_signature_key_version(b"2|1:x|") is None
    assert get_signature_key_version("2|1:x|1:1|1:n|1:v|") is None


@given(st.one_of(st.binary(), st.text()))
def test_nonsense_never_raises(value: bytes | str) -> None:
    assert decode(value) is None
    decode_xsrf_token(value)


def test_lone_surrogates() -> None:
    assert decode("\udc80") is None and decode_xsrf_token("\udc80") is None


@given(st.lists(st.sampled_from([b"2|", b"1:", b"|", b"9" * 30, b"key", b":", b"3:key|"])))
def test_near_nonsense_never_raises(pieces: list[bytes]) -> None:
    value = b"2|" + b"".join(pieces)
    assert decode(value) is None
    get_signature_key_version(value)
    decode_xsrf_token(value)


@given(st.binary(), st.text(), st.sampled_from([1, 2]))
def test_round_trip(value: bytes, name: str, version: int) -> None:
    signed = create_signed_value(b"k", name, value, version=version)
    assert decode_signed_value(b"k", name, signed) == value


# --- XSRF --------------------------------------------------------------------------------


def test_xsrf_round_trip() -> None:
    token = new_xsrf_token(now)
    assert token.version == 0 and len(token.token) == 16 and token.timestamp == NOW
    for version in (1, 2):
        written = encode_xsrf_token(token.token, token.timestamp, version)
        found = decode_xsrf_token(written, now)
        assert found is not None
        assert found.token == token.token and found.version == version
        assert found.timestamp == NOW
    with pytest.raises(ValueError):
        encode_xsrf_token(b"x", 1, 3)
    assert new_xsrf_token().timestamp == pytest.approx(time.time(), abs=60)


def test_xsrf_is_masked_afresh() -> None:
    """BREACH, CVE-2014-9720."""
    written = {encode_xsrf_token(b"0123456789abcdef", 1) for _ in range(20)}
    assert len(written) == 20
    assert all(b"30313233" not in value for value in written)


def test_xsrf_known_value() -> None:
    found = decode_xsrf_token("2|aabbccdd|aabbccddeeff0011|123")
    assert found == (2, b"\x00\x00\x00\x00DD\xcc\xcc", 123)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2|",
        "2|a|b|c",
        "2|aabb|aabb|1",
        "2|aabbccdd|aabb|x",
        "2|aabbccdd|aabb|" + "1" * 99,
        "3|",
    ],
)
def test_xsrf_malformed(value: str) -> None:
    assert decode_xsrf_token(value) is None


def test_xsrf_of_their_own() -> None:
    for value, token in (
        ("deadbeef", b"\xde\xad\xbe\xef"),
        ("xoxo", b"xoxo"),
        ("\xe9", b"\xc3\xa9"),
    ):
        found = decode_xsrf_token(value)
        assert found is not None and found.token == token


@given(st.binary(min_size=4, max_size=4), st.binary())
def test_mask(mask: bytes, data: bytes) -> None:
    """CVE-2026-49854: never more than the data."""
    masked = mask_bytes(mask, data)
    assert masked == bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
