"""PROXY protocol, versions 1 and 2: the original addresses of a proxied connection.

Sans-IO. The specification is HAProxy's `proxy-protocol.txt`. Whether the peer may be
believed is not decided here (`net.proxy` does).
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass, field

from ..errors import PeerError

_V1_PREFIX = b"PROXY "
_V1_MAX = 107  # the longest line the specification allows, CRLF included
_V1_MIN = 15  # "PROXY UNKNOWN" and CRLF
_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEAD = 16
# Addresses take at most 216 bytes; the rest is TLVs (a client certificate's name, ...).
_V2_MAX = 4096


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A parsed header.

    `source` and `destination` are addresses as of the socket module; None for connections of the
    proxy itself (health checks: LOCAL) or if unknown. `tlvs` are version 2's extra fields by type
    number.
    """

    source: tuple[str, int] | str | None
    destination: tuple[str, int] | str | None
    version: int
    tlvs: dict[int, bytes] = field(default_factory=dict)


def parse_proxy_header(data: bytes) -> tuple[ProxyHeader, int] | None:
    """The header at the front of `data` and its length in bytes; None: it is not complete.

    Raises:
      PeerError: these bytes cannot become a header.
    """
    if data.startswith(_V2_SIGNATURE):
        return _parse_v2(data)
    if data.startswith(_V1_PREFIX):
        return _parse_v1(data)
    if _V2_SIGNATURE.startswith(data) or _V1_PREFIX.startswith(data):
        return None
    raise PeerError("no PROXY protocol header")


def surely_missing(data: bytes) -> int:
    """How many bytes after `data`, an incomplete header, certainly belong to it.

    Reading no more than that leaves what follows the header where it was: a TLS handshake
    must not find its first bytes in a buffer for plain ones.
    """
    if len(data) >= _V2_HEAD and data.startswith(_V2_SIGNATURE):
        (length,) = struct.unpack_from("!H", data, 14)
        return _V2_HEAD + int(length) - len(data)
    if data.startswith(_V1_PREFIX) and len(data) >= _V1_MIN:
        return 1 if data.endswith(b"\r") else 2
    return (_V2_HEAD if data.startswith(_V2_SIGNATURE) else _V1_MIN) - len(data)


def _parse_v1(data: bytes) -> tuple[ProxyHeader, int] | None:
    end = data.find(b"\r\n", 0, _V1_MAX)
    if end < 0:
        if len(data) >= _V1_MAX:
            raise PeerError("PROXY line too long")
        return None
    size = end + 2
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return ProxyHeader(None, None, 1), size
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise PeerError("malformed PROXY line")
    if b"%" in words[2] + words[3]:
        raise PeerError("malformed address in PROXY line")  # it has no place for a scope
    kind = ipaddress.IPv4Address if words[1] == b"TCP4" else ipaddress.IPv6Address
    try:
        source, destination = (str(kind(word.decode("ascii"))) for word in words[2:4])
    except ValueError as exc:
        raise PeerError("malformed address in PROXY line") from exc
    return (
        ProxyHeader((source, _port(words[4])), (destination, _port(words[5])), 1),
        size,
    )


def _port(word: bytes) -> int:
    # bytes.isdigit is ASCII only, unlike int(), which also takes "+1", "1_0" and blanks.
    if not word.isdigit() or len(word) > 5 or (len(word) > 1 and word[0] == 0x30):
        raise PeerError("malformed port in PROXY line")
    port = int(word)
    if port > 65535:
        raise PeerError("malformed port in PROXY line")
    return port


def _parse_v2(data: bytes) -> tuple[ProxyHeader, int] | None:
    if len(data) < _V2_HEAD:
        return None
    version_command, family, length = struct.unpack_from("!BBH", data, 12)
    if version_command >> 4 != 2:
        raise PeerError("unknown PROXY protocol version")
    command = version_command & 15
    if command > 1:
        raise PeerError("unknown PROXY protocol command")
    if length > _V2_MAX:
        raise PeerError("PROXY header too long")
    size = _V2_HEAD + length
    if len(data) < size:
        return None
    body = data[_V2_HEAD:size]
    source, destination, used = _v2_addresses(family, body)
    tlvs = _v2_tlvs(body[used:])
    if command == 0:  # LOCAL: addresses must be ignored
        source = destination = None
    return ProxyHeader(source, destination, 2, tlvs), size


_Address = tuple[str, int] | str | None


def _v2_addresses(family: int, body: bytes) -> tuple[_Address, _Address, int]:
    try:
        if family >> 4 in (1, 2):
            layout, kind = (
                ("!4s4sHH", socket.AF_INET) if family >> 4 == 1 else ("!16s16sHH", socket.AF_INET6)
            )
            source, destination, source_port, destination_port = struct.unpack_from(layout, body)
            return (
                (socket.inet_ntop(kind, source), source_port),
                (socket.inet_ntop(kind, destination), destination_port),
                struct.calcsize(layout),
            )
        if family >> 4 == 3:
            paths = struct.unpack_from("!108s108s", body)
            names = [path.split(b"\0", 1)[0].decode("utf-8", "surrogateescape") for path in paths]
            return names[0], names[1], 216
    except struct.error as exc:
        raise PeerError("PROXY header too short for its addresses") from exc
    # UNSPEC, or a family newer than this code: the specification wants it accepted.
    return None, None, len(body)


def _v2_tlvs(data: bytes) -> dict[int, bytes]:
    tlvs: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        if at + 3 > len(data):
            raise PeerError("truncated TLV in PROXY header")
        kind, length = struct.unpack_from("!BH", data, at)
        value = data[at + 3 : at + 3 + length]
        if len(value) < length:
            raise PeerError("truncated TLV in PROXY header")
        tlvs[kind] = value
        at += 3 + length
    return tlvs
