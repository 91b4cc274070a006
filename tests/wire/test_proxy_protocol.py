"""The PROXY protocol's parser."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.errors import PeerError
from tornado_trio.wire.proxy_protocol import ProxyHeader, parse_proxy_header, surely_missing

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(command: int, family: int, body: bytes, version: int = 2) -> bytes:
    return SIGNATURE + struct.pack("!BBH", version << 4 | command, family, len(body)) + body


IPV4 = socket.inet_aton("198.51.100.7") + socket.inet_aton("203.0.113.9") + b"\x0f\xa0\x01\xbb"


@pytest.mark.parametrize(
    "data,source,destination",
    [
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65535\r\n", ("1.2.3.4", 1), ("5.6.7.8", 65535)),
        (b"PROXY TCP6 ::1 2001:db8::2 80 443\r\n", ("::1", 80), ("2001:db8::2", 443)),
        (b"PROXY UNKNOWN\r\n", None, None),
        (b"PROXY UNKNOWN ffff:f... whatever\r\n", None, None),
        (v2(1, 0x11, IPV4), ("198.51.100.7", 4000), ("203.0.113.9", 443)),
        (
            v2(1, 0x21, bytes(15) + b"\x01" + bytes(15) + b"\x02" + b"\0\x50\0\x51"),
            ("::1", 80),
            ("::2", 81),
        ),
        (v2(1, 0x31, b"/a".ljust(108, b"\0") + b"/b".ljust(108, b"\0")), "/a", "/b"),
        (v2(0, 0x11, IPV4), None, None),
        (v2(1, 0x00, b"?"), None, None),
    ],
)
def test_valid(data: bytes, source: object, destination: object) -> None:
    for end in range(len(data)):
        assert parse_proxy_header(data[:end]) is None
        assert 1 <= surely_missing(data[:end]) <= len(data) - end
    parsed = parse_proxy_header(data + b"rest")
    assert parsed is not None
    header, size = parsed
    assert size == len(data)
    assert (header.source, header.destination) == (source, destination)


def test_tlvs() -> None:
    data = v2(1, 0x11, IPV4 + b"\x02\0\x04host" + b"\x01\0\0")
    parsed = parse_proxy_header(data)
    assert parsed is not None and parsed[0].tlvs == {2: b"host", 1: b""}
    assert isinstance(parsed[0], ProxyHeader) and parsed[0].version == 2


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 100000\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 ::1%<x> ::1 1 2\r\n",
        b"PROXY TCP4 1.2.3.\xff 5.6.7.8 1 2\r\n",
        b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY " + b"x" * 200,
        v2(1, 0x11, b"short"),
        v2(1, 0x31, b"short"),
        v2(2, 0x11, IPV4),
        v2(1, 0x11, IPV4, version=3),
        v2(1, 0x11, IPV4 + b"\x01\0"),
        v2(1, 0x11, IPV4 + b"\x01\0\x09abc"),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 60000),
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        parse_proxy_header(data)


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", SIGNATURE, SIGNATURE + b"!"]))
def test_anything_else_is_refused_cleanly(data: bytes, prefix: bytes) -> None:
    try:
        parse_proxy_header(prefix + data)
    except PeerError:
        pass  # refused is as good as understood
