"""Content codings."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.errors import HTTPInputError, LimitError
from tornado_trio.wire import codings
from tornado_trio.wire.codings import (
    BoundedDecoder,
    CodingError,
    GzipDecoder,
    choose_coding,
    coding_quality,
    make_decoder,
    supported_codings,
)

brotli = pytest.importorskip("brotli")
zstandard = pytest.importorskip("zstandard")

NOISE = random.Random(0).randbytes(200_000)
PLAIN = b"hello " * 50_000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACK = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "DEFLATE ": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def decode(coding: str, data: bytes, size: int = 0, max_chunk: int = 65536) -> bytes:
    decoder = make_decoder(coding)
    assert decoder is not None
    out = b""
    for start in range(0, len(data), size or len(data) or 1):
        for piece in decoder.feed(data[start : start + (size or len(data))], max_chunk):
            assert piece
            out += piece
    decoder.finish()
    return out


def decode_bounded(coding: str, data: bytes, max_size: int | None) -> bytes:
    decoder = make_decoder(coding)
    assert decoder is not None
    bounded = BoundedDecoder(decoder, max_size)
    out = []
    for piece in (data, b""):
        bounded.feed(piece)
        while decoded := bounded.next_piece():
            out.append(decoded)
    assert bounded.finished
    return b"".join(out)


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("size", [0, 1, 999])
@pytest.mark.parametrize(
    "data", [b"", b"x", PLAIN, NOISE[:5000]], ids=["empty", "x", "hi", "noise"]
)
def test_round_trip(coding: str, size: int, data: bytes) -> None:
    assert decode(coding, PACK[coding](data), size) == data


@pytest.mark.parametrize("coding", PACK)
def test_truncated(coding: str) -> None:
    packed = PACK[coding](NOISE)
    for cut in (packed[:-1], packed[: len(packed) // 2], packed[:2]):
        with pytest.raises(CodingError):
            decode(coding, cut)
    assert decode(coding, b"") == b""  # the answer to HEAD


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("trailer", [b"\0", b"garbage", b"\r\n", b"\x1f\x00"])
def test_trailing_garbage(coding: str, trailer: bytes) -> None:
    with pytest.raises(CodingError):
        decode(coding, PACK[coding](PLAIN) + trailer)
    with pytest.raises(CodingError):
        decode(coding, PACK[coding](PLAIN) + trailer, 1000)


@pytest.mark.parametrize("coding", PACK)
def test_not_that_coding(coding: str) -> None:
    with pytest.raises(CodingError) as info:
        decode(coding, b"<html>" * 100)
    assert info.value.status == 400


@pytest.mark.parametrize("size", [0, 1, 100])
@pytest.mark.parametrize("max_chunk", [1000, 65536])
def test_gzip_members(size: int, max_chunk: int) -> None:
    data = b"".join([gzip.compress(m) for m in (NOISE[:1000], b"", PLAIN, b"x")])
    assert decode("gzip", data, size, max_chunk) == gzip.decompress(data)
    frames = zstandard.compress(b"a") + zstandard.compress(b"b")
    assert decode("zstd", frames, size) == b"ab"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "DEFLATE ", "br", "zstd"])
def test_bombs_come_in_pieces(coding: str) -> None:
    """The bound is noticed before the memory is spent."""
    bomb = PACK[coding](b"\0" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(LimitError) as info:
            decode_bounded(coding, bomb, 1_000_000)
        assert info.value.status == 413
        assert tracemalloc.get_traced_memory()[1] < 16_000_000 + len(bomb)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_pieces_are_bounded(coding: str) -> None:
    decoder = make_decoder(coding)
    assert decoder is not None
    assert all(len(p) <= 777 for p in decoder.feed(PACK[coding](PLAIN), 777))
    decoder.finish()


def test_old_brotli(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a bound on its output, its input comes in small steps."""

    class Old:
        def __init__(self) -> None:
            self.inner = real()

        def process(self, data: bytes) -> bytes:
            assert len(data) <= 256
            return bytes(self.inner.process(data))

        def is_finished(self) -> bool:
            return bool(self.inner.is_finished())

    real = brotli.Decompressor
    monkeypatch.setattr(brotli, "Decompressor", Old)
    assert decode("br", brotli.compress(NOISE)) == NOISE
    with pytest.raises(CodingError):
        decode("br", b"nonsense" * 100)


def test_a_bounded_decoder() -> None:
    assert decode_bounded("gzip, br", brotli.compress(gzip.compress(PLAIN)), 10**6) == PLAIN
    assert decode_bounded("gzip", gzip.compress(PLAIN), None) == PLAIN
    assert decode_bounded("gzip", gzip.compress(PLAIN), len(PLAIN)) == PLAIN
    with pytest.raises(CodingError):
        decode_bounded("gzip, br", brotli.compress(gzip.compress(PLAIN)[:-1]), 10**6)
    with pytest.raises(LimitError) as info:
        decode_bounded("gzip", gzip.compress(PLAIN), len(PLAIN) - 1)
    assert info.value.status == 413


def test_a_bounded_decoder_waits_for_more() -> None:
    decoder = BoundedDecoder(GzipDecoder(), 10, max_chunk=3)
    data = gzip.compress(b"12345")
    decoder.feed(data[:5])
    assert decoder.next_piece() == b"" and not decoder.finished
    decoder.feed(data[5:])
    assert [decoder.next_piece(), decoder.next_piece(), decoder.next_piece()] == [
        b"123",
        b"45",
        b"",
    ]
    decoder.feed(b"")
    assert decoder.finished and decoder.next_piece() == b""


def test_many_short_members_copy_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each member's end copies what follows it: all of it would make that quadratic."""
    sizes = []

    def decompressobj(*args: int) -> Any:
        real = zlib_decompressobj(*args)

        def decompress(data: bytes, bound: int) -> bytes:
            sizes.append(len(data))
            out = real.decompress(data, bound)
            for name in ("eof", "unused_data", "unconsumed_tail"):
                setattr(proxy, name, getattr(real, name))
            return out

        proxy = SimpleNamespace(decompress=decompress)
        return proxy

    zlib_decompressobj = zlib.decompressobj
    monkeypatch.setattr("zlib.decompressobj", decompressobj)
    data = gzip.compress(b"", mtime=0) * 5000
    assert b"".join(GzipDecoder().feed(data)) == b""
    assert sum(sizes) < 5100 * 4096


@pytest.mark.parametrize("field", ["nonsense", "gzip, nonsense", "gzip,gzip,gzip"])
def test_unsupported(field: str) -> None:
    with pytest.raises(HTTPInputError) as info:
        make_decoder(field)
    assert info.value.status == 415


def test_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert supported_codings() == ("zstd", "br", "gzip", "deflate")

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(codings.importlib, "import_module", missing)
    assert supported_codings() == ("gzip", "deflate")
    for coding in ("br", "zstd"):
        with pytest.raises(HTTPInputError):
            make_decoder(coding)


# --- choosing ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "quality"),
    [
        ("gzip", 1.0),
        ("GZIP", 1.0),
        ("x-gzip", 1.0),
        ("br, gzip;q=0.5", 0.5),
        ("gzip ; Q=0.5", 0.5),
        ("gzip;q=0", 0.0),
        ("gzip;q=0.000, *", 0.0),
        ("*", 1.0),
        ("*;q=0.2", 0.2),
        ("br", 0.0),
        ("", 0.0),
        ("gzip;q=5", 1.0),
        ("gzip;q=-1", 0.0),
        ("gzip;q=x", 0.0),
        ("gzip;x=y", 1.0),
        ("notgzip", 0.0),
    ],
)
def test_quality(field: str, quality: float) -> None:
    assert coding_quality(field, "gzip") == quality


def test_identity() -> None:
    assert coding_quality("gzip", "identity") == 1.0
    assert coding_quality("identity;q=0", "identity") == 0.0
    assert coding_quality("*;q=0", "identity") == 0.0


def test_choose() -> None:
    assert choose_coding("gzip, br", ("br", "gzip")) == "br"
    assert choose_coding("gzip, br;q=0.5", ("br", "gzip")) == "gzip"
    assert choose_coding("gzip;q=0", ("br", "gzip")) is None
    assert choose_coding("", ("gzip",)) is None
    assert choose_coding(None, ("gzip",)) is None


@given(st.text())
def test_choose_anything(field: str) -> None:
    choose_coding(field, ("br", "gzip"))
