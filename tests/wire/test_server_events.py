"""Server-sent events as text: what is written is read, in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.errors import LimitError
from tornado_trio.wire.server_events import (
    EventParser,
    ServerEvent,
    encode_comment,
    encode_event,
)

ONE_LINE = st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"]))


def test_as_the_standard_has_it() -> None:
    parser = EventParser()
    text = (
        "\ufeff: comment\n\ndata: first\nid: 1\n\ndata:second\rdata\ndata:  third\r\n\r\n"
        "event: add\nid\ndata\n\nretry: 1500\n\nretry: x\nunknown: y\nid: a\0b\n\nid: 9\n\n"
    )
    assert parser.feed(text.encode()) == [
        ServerEvent("first", "message", "1"),
        ServerEvent("second\n\n third", "message", "1"),
        ServerEvent("", "add", ""),
    ]
    assert (parser.retry, parser.last_id) == (1.5, "9")
    assert parser.feed(b"data: unfinished\nid: 10\n") == []
    assert parser.last_id == "9"  # the event of the id has not come


@given(st.lists(st.tuples(st.text(), ONE_LINE, ONE_LINE), max_size=5), st.integers(1, 7))
def test_what_is_written_is_read_in_any_pieces(
    events: list[tuple[str, str, str]], size: int
) -> None:
    events = [
        (data.encode("utf-8", "ignore").decode(), kind.lstrip(" "), id.lstrip(" "))
        for data, kind, id in events
    ]
    stream = b"".join(
        encode_event(data, kind, id) + encode_comment("still\nhere") for data, kind, id in events
    )
    parser = EventParser()
    found = []
    for start in range(0, len(stream), size):
        found += parser.feed(stream[start : start + size])
    assert found == [
        ServerEvent(data.replace("\r\n", "\n").replace("\r", "\n"), kind or "message", id)
        for data, kind, id in events
    ]


def test_what_cannot_be_written_is_refused() -> None:
    for fields in ({"event": "a\nb"}, {"id": "a\r"}, {"id": "\0"}):
        with pytest.raises(ValueError, match="is one line"):
            encode_event("x", **fields)  # type: ignore[arg-type]
    assert encode_event("x", retry=1.5) == b"retry: 1500\ndata: x\n\n"


def test_an_event_is_bounded_however_it_comes() -> None:
    for piece in (b"x" * 10, b"data: xxxxxxxxxx\n", b"data: \xf0\x9f\x98\x80"):
        parser = EventParser(max_event=1000)
        with pytest.raises(LimitError, match="larger than 1000"):
            for _ in range(2000):
                parser.feed(piece)
    parser = EventParser(max_event=100)
    for _ in range(50):
        assert parser.feed(b"data: xxxxxxxxxx\n\n")
    assert parser.feed(b"data: xxxxxxxxxx\n\n" * 50)
