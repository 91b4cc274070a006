from __future__ import annotations

import os
import random
import zlib
from typing import Any

import pytest

from tornado_trio.wire.websocket.deflate import DeflateOptions, Deflater, Inflater
from tornado_trio.wire.websocket.frames import WebSocketProtocolError


def inflate(inflater: Inflater, data: bytes, limit: int | None = None) -> bytes:
    out = bytearray()
    inflater.decompress(data, True, out, limit)
    return bytes(out)


def test_context_takeover_pays() -> None:
    text = os.urandom(200).hex().encode()
    keep, fresh = (Deflater(15, flag, DeflateOptions()) for flag in (True, False))
    assert len(keep.compress(text)) > 100
    assert len(keep.compress(text)) < 40
    assert len(fresh.compress(text)) == len(fresh.compress(text))


def test_nothing_is_created_before_it_is_needed() -> None:
    deflater, inflater = Deflater(15, True, DeflateOptions()), Inflater(15, True)
    assert deflater._z is None and inflater._z is None
    data = deflater.compress(b"x" * 100)
    assert inflate(inflater, data) == b"x" * 100
    assert deflater._z is not None and inflater._z is not None


def test_no_context_takeover_holds_nothing_between_messages() -> None:
    deflater, inflater = Deflater(15, False, DeflateOptions()), Inflater(15, False)
    for _ in range(3):
        assert inflate(inflater, deflater.compress(b"abc" * 50)) == b"abc" * 50
        assert deflater._z is None and inflater._z is None


def test_reset_needs_no_word_to_the_peer() -> None:
    deflater, inflater = Deflater(15, True, DeflateOptions()), Inflater(15, True)
    other = Deflater(15, True, DeflateOptions())
    text = b"the quick brown fox " * 5
    for source in (deflater, other, deflater):
        if source is other:
            deflater.reset()
        assert inflate(inflater, source.compress(text)) == text


@pytest.mark.parametrize("limit", [0, 1, 1000, 65536])
def test_bomb_stops_at_the_limit(limit: int) -> None:
    bomb = Deflater(15, True, DeflateOptions(level=9)).compress(bytes(10_000_000))
    out = bytearray()
    with pytest.raises(WebSocketProtocolError) as caught:
        Inflater(15, True).decompress(bomb, True, out, limit)
    assert caught.value.code == 1009
    assert len(out) <= limit


def test_exactly_the_limit() -> None:
    for size in (0, 1, 65536, 100000):
        data = Deflater(15, True, DeflateOptions()).compress(bytes(size))
        assert len(inflate(Inflater(15, True), data, size)) == size


def test_final_block_inside_a_message() -> None:
    # RFC 7692 7.2.3.4: BFINAL set, then an empty stored block's header
    z = zlib.compressobj(wbits=-15)
    data = z.compress(b"Hello") + z.flush(zlib.Z_FINISH) + b"\x00"
    inflater = Inflater(15, True)
    assert inflate(inflater, data) == b"Hello"
    assert inflate(inflater, data) == b"Hello"


def test_final_block_that_ends_the_message() -> None:
    z = zlib.compressobj(wbits=-15)
    data = z.compress(b"Hello") + z.flush(zlib.Z_FINISH)
    assert inflate(Inflater(15, True), data) == b"Hello"


def test_a_final_block_for_each_fragment() -> None:
    """A sender that ends each fragment with one is understood, however many they are."""
    inflater, out, sent = Inflater(15, True), bytearray(), b""
    for number in range(500):
        text = random.Random(number).randbytes(2000)
        z = zlib.compressobj(wbits=-15, zdict=sent[-32768:])
        inflater.decompress(z.compress(text) + z.flush(zlib.Z_FINISH), number == 499, out, None)
        sent += text
    assert out == sent


def test_a_flood_of_final_blocks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 MB of them took a second: each makes a zlib object and copied all that followed."""
    made = []
    decompressobj = zlib.decompressobj

    def counted(**options: Any) -> Any:
        made.append(options)
        return decompressobj(**options)

    monkeypatch.setattr("zlib.decompressobj", counted)
    for flood in (b"\x03\x00" * 500_000, b"\x01\x00\x00\xff\xff" * 200_000):
        made.clear()
        with pytest.raises(WebSocketProtocolError) as caught:
            inflate(Inflater(15, True), flood)
        assert caught.value.code == 1007
        assert len(made) <= 64 + len(flood) // 1024 + 2
    inflater = Inflater(15, True)
    for _ in range(200):  # what one message spends is not the next one's
        assert inflate(inflater, b"\x03\x00" * 60 + b"\x00") == b""


def test_truncated_after_final_block_is_an_error() -> None:
    with pytest.raises(WebSocketProtocolError) as caught:
        inflate(Inflater(15, True), b"\x07")  # block type 3 does not exist
    assert caught.value.code == 1007


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": 10},
        {"level": -2},
        {"mem_level": 0},
        {"window_bits": 8},
        {"window_bits": 16},
        {"peer_window_bits": 7},
    ],
)
def test_options_are_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        DeflateOptions(**wrong)
