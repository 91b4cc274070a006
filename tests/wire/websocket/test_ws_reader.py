from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_trio.wire.websocket.deflate import Inflater
from tornado_trio.wire.websocket.frames import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    Close,
    WebSocketProtocolError,
    encode_frame,
)
from tornado_trio.wire.websocket.reader import Event, MessageReader


def server(max_size: int | None = None, inflater: Inflater | None = None) -> MessageReader:
    return MessageReader(True, max_size, inflater)


def events(reader: MessageReader, data: bytes, step: int = 0) -> list[Event]:
    found: list[Event] = []
    for at in range(0, len(data), step or len(data) or 1):
        reader.feed(data[at : at + step] if step else data)
        while (event := reader.next_event()) is not None:
            found.append(event)
    return found


def m(opcode: int, payload: bytes, fin: bool = True, rsv1: bool = False) -> bytes:
    return encode_frame(opcode, payload, fin=fin, rsv1=rsv1, mask=True)


def fails(reader: MessageReader, data: bytes, code: int, step: int = 0) -> None:
    with pytest.raises(WebSocketProtocolError) as caught:
        events(reader, data, step)
    assert caught.value.code == code


STREAM = (
    m(TEXT, "héllo".encode())
    + m(BINARY, b"\xff" * 200)
    + m(TEXT, b"", False)
    + m(PING, b"p")
    + m(CONT, "é".encode()[:1], False)
    + m(PONG, b"")
    + m(CONT, "é".encode()[1:] + b"z" * 300)
    + m(TEXT, b"")
    + m(CLOSE, b"\x03\xe8bye")
)
EXPECTED: list[Event] = [
    (TEXT, "héllo"),
    (BINARY, b"\xff" * 200),
    (PING, b"p"),
    (PONG, b""),
    (TEXT, "é" + "z" * 300),
    (TEXT, ""),
    (CLOSE, Close(1000, "bye")),
]


@pytest.mark.parametrize("step", [0, 1, 2, 3, 5, 7, 64, 1000])
def test_any_cut_of_the_stream(step: int) -> None:
    reader = server()
    assert events(reader, STREAM, step) == EXPECTED
    assert not reader.mid_frame
    assert reader.message_bytes == 6 + 200 + 302
    assert reader.wire_bytes == len(STREAM)


def test_unmasked_side() -> None:
    reader = MessageReader(False, None, None)
    assert events(reader, encode_frame(TEXT, b"hi")) == [(TEXT, "hi")]
    fails(MessageReader(False, None, None), m(TEXT, b"hi"), 1002)


def test_large_message_in_pieces() -> None:
    payload = bytes(range(256)) * 1024
    reader = server()
    frame = m(BINARY, payload)
    found = events(reader, frame, 1021)
    assert found == [(BINARY, payload)]


@pytest.mark.parametrize(
    "data",
    [
        encode_frame(TEXT, b"not masked"),
        m(3, b""),
        m(7, b""),
        m(11, b""),
        m(15, b""),
        m(TEXT, b"x", rsv1=True),
        b"\xa1\x80abcd",
        b"\x91\x80abcd",
        m(PING, b"x", rsv1=True),
        m(PING, b"", False),
        m(PING, b"x" * 126),
        m(CLOSE, b"x"),
        m(CLOSE, b"\x03\xec"),
        m(CONT, b"x"),
        m(CONT, b""),
        m(TEXT, b"a", False) + m(TEXT, b"b"),
        b"\x82\xff\x80" + bytes(7) + b"abcd",
    ],
    ids=range(17),
)
@pytest.mark.parametrize("step", [0, 1])
def test_protocol_errors(data: bytes, step: int) -> None:
    fails(server(), data, 1002, step)


def test_rsv1_on_a_continuation_is_refused() -> None:
    first = zlib.compressobj(wbits=-15)
    data = first.compress(b"abc") + first.flush(zlib.Z_SYNC_FLUSH)
    fails(
        server(inflater=Inflater(15, True)),
        m(TEXT, data, False, True) + m(CONT, b"", True, True),
        1002,
    )


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80", b"\xc0\x80", b"\xe2\x82"]
)
def test_bad_utf8(bad: bytes, step: int) -> None:
    fails(server(), m(TEXT, b"abc" + bad), 1007, step)
    fails(server(), m(TEXT, b"abc", False) + m(CONT, bad), 1007, step)


def test_bad_utf8_is_found_before_the_frame_ends() -> None:
    frame = m(TEXT, b"a\xf4\x90" + b"x" * 1000)
    reader = server()
    reader.feed(frame[: 8 + 3])
    with pytest.raises(WebSocketProtocolError) as caught:
        reader.next_event()
    assert caught.value.code == 1007
    # ... and at the end of the first fragment, though the message goes on
    fails(server(), m(TEXT, b"\xf4\x90", False), 1007)


def test_character_cut_by_the_end_of_the_message() -> None:
    reader = server()
    assert events(reader, m(TEXT, b"\xe2\x82", False)) == []
    with pytest.raises(WebSocketProtocolError):
        events(reader, m(CONT, b""))


def test_announced_length_is_enough() -> None:
    head = m(BINARY, bytes(70000))[:14]
    fails(server(max_size=65536), head, 1009)
    fails(server(max_size=65536), b"\x82\xff\x00" + b"\x01" * 7, 1009)  # no key, no payload yet
    assert events(server(max_size=1024), m(BINARY, bytes(1024))) == [(BINARY, bytes(1024))]
    fails(server(max_size=1024), m(BINARY, bytes(1025)), 1009)


def test_limit_counts_all_fragments() -> None:
    ok = m(BINARY, bytes(600), False) + m(CONT, bytes(424))
    assert events(server(max_size=1024), ok) == [(BINARY, bytes(1024))]
    fails(server(max_size=1024), m(BINARY, bytes(600), False) + m(CONT, bytes(425)), 1009)
    fails(server(max_size=1024), m(BINARY, bytes(600), False) + m(CONT, bytes(425)), 1009, 100)


def deflated(data: bytes) -> bytes:
    z = zlib.compressobj(wbits=-15)
    return (z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize("step", [0, 1, 7])
def test_limit_on_the_inflated_size(step: int) -> None:
    good = m(TEXT, deflated(b"a" * 1024), True, True)
    assert events(server(1024, Inflater(15, False)), good, step) == [(TEXT, "a" * 1024)]
    bad = m(TEXT, deflated(b"a" * 1025), True, True)
    fails(server(1024, Inflater(15, False)), bad, 1009, step)
    whole = deflated(b"a" * 3000)
    cut = m(TEXT, whole[:5], False, True) + m(CONT, whole[5:])
    fails(server(1024, Inflater(15, False)), cut, 1009, step)


def test_bad_deflate_and_bad_utf8_inside() -> None:
    fails(server(None, Inflater(15, True)), m(TEXT, b"\xff\xff\xff\xff", True, True), 1007)
    fails(server(None, Inflater(15, True)), m(TEXT, deflated(b"\xff"), True, True), 1007)


def test_uncompressed_between_compressed() -> None:
    reader = server(None, Inflater(15, True))
    data = m(TEXT, deflated(b"one"), True, True) + m(TEXT, b"two")
    assert events(reader, data) == [(TEXT, "one"), (TEXT, "two")]


def test_incompressible_message_at_the_limit() -> None:
    payload = zlib.compress(bytes(range(256)) * 64, 9) * 1
    payload = (payload * 40)[:4096]
    z = zlib.compressobj(0, wbits=-15)
    packed = (z.compress(payload) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(packed) > len(payload)
    reader = server(len(payload), Inflater(15, True))
    assert events(reader, m(BINARY, packed, True, True)) == [(BINARY, payload)]


def test_idle_reader_lets_go_of_what_it_read() -> None:
    reader = server()
    events(reader, m(BINARY, bytes(60000)))
    assert reader.buffered == 0
    assert reader._buf == b""


pieces = st.lists(
    st.tuples(st.sampled_from([TEXT, BINARY]), st.lists(st.text(max_size=200), min_size=1)),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(messages=pieces, step=st.integers(1, 300), compress=st.booleans())
def test_round_trip(messages: list[tuple[int, list[str]]], step: int, compress: bool) -> None:
    from tornado_trio.wire.websocket.deflate import DeflateParams
    from tornado_trio.wire.websocket.protocol import WebSocketProtocol

    params = DeflateParams(server_max_window_bits=10, client_max_window_bits=9)
    client = WebSocketProtocol(client=True, deflate=params if compress else None)
    server_side = WebSocketProtocol(client=False, deflate=params if compress else None)
    wire = b""
    expected: list[Event] = []
    for opcode, parts in messages:
        for index, part in enumerate(parts):
            wire += client.send_fragment(opcode, part.encode(), index == len(parts) - 1)
        text = "".join(parts)
        expected.append((opcode, text if opcode == TEXT else text.encode()))
    found: list[Event] = []
    for at in range(0, len(wire), step):
        server_side.receive(wire[at : at + step])
        while (event := server_side.next_event()) is not None:
            found.append(event)
    assert found == expected
