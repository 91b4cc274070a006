"""The buffers against models: plain `bytes`."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.errors import ReadLimitError
from tornado_trio.net.buffers import ReadBuffer, WriteBuffer
from tornado_trio.net.patterns import reach_of

pieces = st.binary(max_size=12)


@given(st.lists(st.tuples(st.sampled_from("apte"), pieces, st.integers(0, 20))))
def test_read_buffer_is_a_sequence_of_bytes(steps: list[tuple[str, bytes, int]]) -> None:
    buffer, model = ReadBuffer(), b""
    for action, data, number in steps:
        if action == "a":
            buffer.append(data)
            model += data
        elif action == "p":
            buffer.prepend(data)
            model = data + model
        elif action == "t":
            assert buffer.take(number) == model[:number]
            model = model[number:]
        else:
            target = bytearray(number)
            count = buffer.take_into(memoryview(target))
            assert (count, bytes(target[:count])) == (min(number, len(model)), model[:number])
            model = model[number:]
        assert len(buffer) == len(model)
        assert bool(buffer) == bool(model)
    assert buffer.take_all() == model


@given(st.lists(pieces), st.sampled_from([b"\n", b"ab", b"aab"]))
def test_find_resumes_without_missing_anything(chunks: list[bytes], delimiter: bytes) -> None:
    buffer, model = ReadBuffer(), b""
    for chunk in chunks:
        buffer.append(chunk)
        model += chunk
        at = model.find(delimiter)
        end = buffer.find(delimiter)
        if at < 0:
            assert end is None
            assert buffer.find_regex(re.compile(re.escape(delimiter))) is None
        else:
            assert end == at + len(delimiter)
            assert buffer.find_regex(re.compile(re.escape(delimiter))) == end
            assert buffer.take(end) == model[:end]
            model = model[end:]


def test_find_after_other_operations() -> None:
    buffer = ReadBuffer()
    buffer.append(b"xxxx")
    assert buffer.find(b"ab") is None
    buffer.prepend(b"ab")
    assert buffer.find(b"ab") == 2  # the search began anew
    assert buffer.find(b"x") == 3  # and so it does for another delimiter
    assert buffer.take_exactly(7) is None
    assert buffer.take_exactly(6) == b"abxxxx"
    assert "0 bytes" in repr(buffer)
    buffer.append(b"zz")
    buffer.clear()
    assert not buffer


def test_a_line_byte_by_byte_costs_linear_time() -> None:
    buffer = ReadBuffer()
    buffer.append(b"x" * 100_000)
    for _ in range(20_000):  # quadratic would be two thousand million comparisons
        buffer.append(b"x")
        assert buffer.find(b"\r\n") is None


PATTERNS = [
    rb"\r?\n\r?\n", rb"a+\n", rb"a.*b", rb"(a|ab)\1b", rb"(?<=a)b", rb"a(?=b)", rb"a(?!b)",
    rb"\bab", rb"b\b", rb"^a", rb"(?m)^ab", rb"b$", rb"(?i)B\n", rb"(?i:A)b", rb"(?s)a.{0,3}b",
    rb"b*",
]  # fmt: skip


@given(
    st.lists(st.sampled_from([b"a", b"b", b"ab", b"\n", b"\r", b" "]), max_size=12),
    st.sampled_from(PATTERNS),
)
def test_a_pattern_resumes_without_missing_anything(chunks: list[bytes], text: bytes) -> None:
    buffer, model, pattern = ReadBuffer(), b"", re.compile(text)
    for chunk in chunks:
        buffer.append(chunk)
        model += chunk
        match = pattern.search(model)
        end = buffer.find_regex(pattern)
        assert end == (None if match is None else match.end())
        if end:
            assert buffer.take(end) == model[:end]
            model = model[end:]


@pytest.mark.parametrize("text", [rb"\r?\n\r?\n", rb"x;.*\n"])
def test_a_pattern_byte_by_byte_costs_linear_time(text: bytes) -> None:
    buffer, pattern = ReadBuffer(), re.compile(text)
    buffer.append(b"x" * 1_000_000)
    for _ in range(5_000):  # quadratic would be five thousand million comparisons
        buffer.append(b"x")
        assert buffer.find_regex(pattern) is None
    buffer.append(b";\n\n")
    assert buffer.find_regex(pattern)


def test_a_reach() -> None:
    assert reach_of(re.compile(rb"\r?\n")) == (3, 10)
    assert reach_of(re.compile(rb"a.*\n")) == (None, 10)
    assert reach_of(re.compile(rb"(?i)ab")) == (3, None)
    assert reach_of(re.compile(rb"ab(?=c)")) == (None, None)
    assert reach_of(re.compile(b"")) == (1, None)


def test_a_reach_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re._parser", None)
    assert reach_of(re.compile(rb"a b c")) == (None, None)


@pytest.mark.parametrize("limit,found", [(2, False), (3, True), (None, True)])
def test_bounds(limit: int | None, found: bool) -> None:
    buffer = ReadBuffer()
    buffer.append(b"ab\nrest")
    for search in (
        lambda: buffer.find(b"\n", limit),
        lambda: buffer.find_regex(re.compile(b"\n"), limit),
    ):
        if found:
            assert search() == 3
        else:
            with pytest.raises(ReadLimitError):
                search()
    with pytest.raises(ReadLimitError):
        buffer.find(b"?", 6)
    assert buffer.find(b"?", 7) is None


kinds = st.sampled_from([bytes, bytearray, memoryview])
sizes = st.sampled_from([0, 1, 10, 5000, 8 * 1024, 8 * 1024 + 1, 70_000])


@given(
    st.lists(st.tuples(kinds, sizes, st.integers(1, 100_000))),
    st.sampled_from(["clear", "take", "send"]),
)
def test_write_buffer_is_a_queue_of_bytes(steps: list[tuple[type, int, int]], end: str) -> None:
    buffer, model = WriteBuffer(), b""
    for number, (kind, size, sent) in enumerate(steps):
        data = bytes([number % 256]) * size
        given_data = kind(data)
        buffer.append(given_data)
        if kind is bytearray:
            given_data[:] = b"?" * size  # its owner may do as it likes
            given_data.clear()
        model += data
        assert len(buffer) == len(model)
        if model:
            with buffer.peek() as view:
                assert len(view) and model.startswith(view)
                count = min(sent, len(view))
            buffer.advance(count)
            model = model[count:]
    assert str(len(model)) in repr(buffer)
    if end == "clear":
        buffer.clear()
        model = b""
    elif end == "take":
        assert buffer.take_all() == model
        model = b""
    while buffer:
        with buffer.peek() as view:
            assert model.startswith(view)
            count = len(view)
        buffer.advance(count)
        model = model[count:]
    assert not model


def test_small_writes_are_sent_together_and_large_ones_not_copied() -> None:
    buffer = WriteBuffer()
    for _ in range(100):
        buffer.append(b"0123456789")
    with buffer.peek() as view:
        assert len(view) == 1000
    buffer.advance(1000)
    large = bytes(100_000)
    buffer.append(large)
    with buffer.peek() as view:
        assert view.obj is large


@pytest.mark.parametrize("limit", [None, 50])
def test_lines_are_taken_one_by_one(limit: int | None) -> None:
    buffer = ReadBuffer()
    taken = []
    for chunk in [b"one\ntwo\nth", b"ree", b"\n", b"\n12;3;"]:
        buffer.append(chunk)
        while (line := buffer.take_until(b"\n", limit)) is not None:
            taken.append(line)
    assert taken == [b"one\n", b"two\n", b"three\n", b"\n"]
    assert buffer.take_until(b";", limit) == b"12;"
    assert buffer.take_match(re.compile(b"x|;"), limit) == b"3;"
    assert buffer.take_match(re.compile(b"x"), limit) is None
    buffer.append(b"x" * 60)
    if limit is not None:
        with pytest.raises(ReadLimitError):
            buffer.take_until(b"\n", limit)
    assert len(buffer) == 60


@pytest.mark.parametrize("short_means_full", [False, True])
def test_flushing(short_means_full: bool) -> None:
    """Until nothing more is taken; one attempt less where a part taken says as much."""
    buffer = WriteBuffer()
    for size in (10_000, 10_000, 10_000):
        buffer.append(bytes(size))
    room, tried = [10_000, 4_000, 0, 10_000, 10_000], 0

    def send(view: memoryview) -> int:
        nonlocal tried
        tried += 1
        return min(room.pop(0), len(view))

    assert buffer.flush(send, short_means_full) == 14_000
    assert (len(buffer), tried) == (16_000, 2 if short_means_full else 3)
    del room[: 3 - tried]
    assert buffer.flush(send, short_means_full) == 16_000
    assert not buffer and buffer.flush(send) == 0


def test_a_flush_whose_stream_breaks() -> None:
    buffer = WriteBuffer()
    buffer.append(b"lost")

    def breaks(view: memoryview) -> int:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        buffer.flush(breaks)
    assert buffer.take_all() == b"lost"
    buffer.append(b"lost")

    def closes(view: memoryview) -> int:
        buffer.clear()
        return len(view)

    assert buffer.flush(closes) == 0 and not buffer
