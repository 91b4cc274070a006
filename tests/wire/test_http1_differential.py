"""Our parser against h11: whatever ours accepts, h11 accepts too and reads alike.

The other way round does not hold, on purpose: h11 leaves many checks to its user.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_trio.errors import PeerError
from tornado_trio.limits import STRICT, Limits
from tornado_trio.wire.engines import engine_for
from tornado_trio.wire.events import EndOfMessage, RequestHead, Signal
from tornado_trio.wire.http1 import ServerWire

LIMITS = Limits()


@pytest.fixture(params=["own", "h11"], scope="module", autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The tests below make their wires by these two names, once for each engine."""
    chosen = engine_for(request.param, STRICT)
    with pytest.MonkeyPatch.context() as patch:
        for name, kind in (("ServerWire", chosen.server), ("ClientWire", chosen.client)):
            if hasattr(sys.modules[__name__], name):
                patch.setattr(sys.modules[__name__], name, kind)
        yield request.param


# Pieces that parsers have been known to disagree about.
HEAD_PIECES = [
    b"GET", b"POST", b"OPTIONS", b" ", b"  ", b"/", b"*", b"/a?b=c", b"http://b/", b"HTTP/1.1",
    b"HTTP/1.0", b"\r\n", b"\n", b"\r", b"\t", b":", b": ", b"Host", b"host", b"a", b"a:80", b"[::1]",  # noqa: E501
    b"Content-Length", b"Transfer-Encoding", b"chunked", b"Chunked", b"gzip", b"Connection",
    b"close", b"keep-alive", b"Expect", b"100-continue", b"Upgrade", b"0", b"3", b"+3", b",", b";",
    b"\x00", b"\x0b", b"\x7f", b"\xa0", b"\xe9", b"X", b"_",
]  # fmt: skip
LINES = st.sampled_from(
    [
        b"Host: a\r\n", b"X: y\r\n", b"X:y \t\r\n", b"Content-Length: 3\r\n", b"Connection: close\r\n",  # noqa: E501
        b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Upgrade: x\r\n",
        b"Connection: Upgrade\r\n", b"Cookie: a=b; c\r\n", b"X: \xe9\r\n", b" folded\r\n", b"X : y\r\n",  # noqa: E501
    ]
)  # fmt: skip
GOOD_LINE = st.sampled_from([b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n"])
heads = st.one_of(
    st.builds(
        lambda first, lines: first + b"".join(lines) + b"\r\n",
        GOOD_LINE,
        st.lists(LINES, max_size=6),
    ),
    st.lists(st.sampled_from(HEAD_PIECES), max_size=25).map(lambda p: b"".join(p) + b"\r\n\r\n"),
)


@settings(max_examples=400, deadline=None)
@given(heads, st.integers(0, 400), st.binary(max_size=2))
def test_heads(data: bytes, at: int, noise: bytes) -> None:
    if at < len(data):
        data = data[:at] + noise + data[at + (len(noise) > 1) :]
    ours = ServerWire(LIMITS)
    ours.feed(data)
    try:
        head = ours.next_event()
    except PeerError:
        return
    if not isinstance(head, RequestHead):
        return
    theirs = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    stripped = data
    while stripped.startswith(b"\r\n"):
        stripped = stripped[2:]
    theirs.receive_data(stripped)
    request = theirs.next_event()
    assert type(request) is h11.Request
    assert request.method.decode() == head.start_line.method
    target = request.target.decode("latin-1")
    if target.startswith("/"):
        assert target == head.start_line.path
    assert "HTTP/" + request.http_version.decode() == head.start_line.version
    received = [(name.decode().lower(), value.decode("latin-1")) for name, value in request.headers]
    kept = [(name.lower(), value) for name, value in head.headers.get_all()]
    if target.startswith("/"):
        assert sorted(kept) == sorted(received)
    # And where the head ends:
    assert ours.buffered == len(bytes(theirs.trailing_data[0]))


CHUNK_PIECES = [
    b"0", b"1", b"3", b"a", b"A", b"10", b"\r\n", b"\n", b"\r", b";", b"=", b'"', b"x", b"abc", b" ", b"\t",  # noqa: E501
    b"\x00", b"X: y\r\n", b"0\r\n\r\n", b"3\r\nabc\r\n", b"1;x=y\r\na\r\n", b"0\r\nX: y\r\n\r\n", b"+", b"_",  # noqa: E501
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(CHUNK_PIECES), max_size=20).map(b"".join), st.integers(1, 50))
def test_chunked_bodies(body: bytes, step: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    ours = ServerWire(LIMITS)
    ours.feed(head)
    ours.next_event()
    data = b""
    finished = False
    try:
        for start in range(0, len(body), step):
            ours.feed(body[start : start + step])
            while (event := ours.next_event()) is not Signal.NEED_DATA:
                if isinstance(event, bytes):
                    data += event
                    continue
                finished = finished or isinstance(event, EndOfMessage)
                break
    except PeerError:
        return
    if not finished:
        return
    theirs = h11.Connection(h11.SERVER)
    theirs.receive_data(head + body)
    theirs.next_event()
    theirs_data = b""
    while type(event2 := theirs.next_event()) is h11.Data:
        theirs_data += bytes(event2.data)
    assert type(event2) is h11.EndOfMessage
    assert data == theirs_data
    assert ours.buffered == len(bytes(theirs.trailing_data[0]))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(HEAD_PIECES + CHUNK_PIECES), max_size=40), st.integers(1, 30))
def test_pieces_do_not_matter(pieces: list[bytes], step: int) -> None:
    """The same bytes give the same events however they are cut."""
    data = b"".join(pieces)

    def events(step: int) -> tuple[list[object], bytes]:
        wire = ServerWire(LIMITS)
        found: list[object] = []
        body = b""
        try:
            for start in range(0, len(data), step):
                wire.feed(data[start : start + step])
                while (event := wire.next_event()) not in (Signal.NEED_DATA, Signal.CLOSED):
                    if isinstance(event, bytes):
                        body += event
                    elif isinstance(event, RequestHead):
                        found.append((event.start_line, sorted(event.headers.get_all())))
                    elif isinstance(event, EndOfMessage):
                        found.append("end")
                    elif not wire.next_cycle():
                        return found, body
        except PeerError:
            # Which of two faults is seen first, and how much of a body before it, depends.
            return [*found, "refused"], b""
        return found, body

    assert events(step) == events(len(data) or 1)
