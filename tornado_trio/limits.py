"""Bounds on what a peer may send and hold. Leaf module: knows no other part of the package.

Every default is argued beside it; where Tornado has one, it is Tornado's. Sizes are
bytes, times are seconds, None (times: `inf`) means no bound.
"""

from __future__ import annotations

from math import inf
from typing import Any

from ._util.records import dataclass

__all__ = ["Dialect", "Limits", "RESPONSES", "STRICT", "Timeouts"]


def check_amounts(options: Any) -> None:
    """TypeError for a field of a dataclass that is no number (None where that means no bound),
    ValueError for one below 0: either would be felt at a request only."""
    kinds = options._arguments  # a program's subclass has no annotations
    for name in options._names:
        value = getattr(options, name)
        if value is None and "None" in kinds[name]:
            continue
        where = f"{type(options).__name__}.{name}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{where} is a number, not {value!r}")
        if not value >= 0:
            raise ValueError(f"{where} is not below 0: {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes and counts. Crossing one is answered 413, 414 or 431, then closed.

    TypeError and ValueError for what is none.
    """

    def __post_init__(self) -> None:
        check_amounts(self)

    #: Start line and fields together. Tornado: 64 KiB (h11: 16 KiB, node: 16 KiB).
    max_head_size: int = 64 * 1024
    #: Fields of one head. A browser sends 15, a proxy chain adds 10.
    max_fields: int = 256
    #: Body after transfer decoding, and again after gzip. Tornado: 100 MB.
    max_body_size: int = 100 * 1024 * 1024
    #: Body bytes handed on at once. Tornado: 64 KiB.
    chunk_size: int = 64 * 1024
    #: Chunks taken apart in one go, and handed on as one piece.
    chunks_per_step: int = 400
    #: One chunk-size line with its extensions.
    max_chunk_line: int = 4096
    #: Trailer section of a chunked body.
    max_trailer_size: int = 16 * 1024
    #: Framing bytes of a chunked body that its data does not pay for (CVE-2023-39326).
    max_chunk_overhead: int = 16 * 1024
    #: Requests read ahead while one is answered, in bytes.
    max_pipelined: int = 64 * 1024
    #: Unsent response bytes of a program that writes without waiting. Tornado: no bound.
    max_write_buffer: int | None = 32 * 1024 * 1024
    #: Open connections; more wait in the kernel's queue.
    max_connections: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Deadlines on everything a peer can hold. TypeError and ValueError for what is no time."""

    def __post_init__(self) -> None:
        check_amounts(self)

    #: TLS handshake, from accept. Tornado has none; hypercorn had an advisory.
    handshake: float = 30.0
    #: From the first byte of a head to its end (slowloris).
    head: float = 60.0
    #: No request under way. Tornado: 3600.
    idle: float = 3600.0
    #: The whole request body; None: as long as bytes keep coming. Tornado: None.
    body: float | None = None
    #: The peer sends nothing of a body that is waited for during this time. Tornado: no limit,
    #: nginx: 60.
    stall: float | None = 60.0
    #: The peer takes nothing of a response for so long.
    write: float = 60.0
    #: A response left unread after the last write, and the discard of what the peer
    #: still sends after an error response (a reset would destroy the response).
    linger: float = 2.0
    #: A request's handler; passed: 503. None: no deadline.
    request: float | None = None
    #: While draining: an idle connection may still bring a request already on its way.
    drain_idle: float = 0.25
    #: A client that shut down its sending side, whose presence cannot be probed.
    half_closed: float = 10.0

    @staticmethod
    def at(now: float, seconds: float | None) -> float:
        """The deadline `seconds` from `now`; None is never."""
        return inf if seconds is None else now + seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What is forgiven in a message. The defaults forgive nothing (RFC 9112).

    Tornado 6.6 forgives the first three and `raw_target`, older releases all; compat asks for
    what the release it answers for did.
    """

    #: Lines of a head may end with LF alone. In a request all of them must then: mixed line ends
    #: are aimed at a proxy that parses one of them differently.
    bare_lf: bool = False
    #: "Content-Length: 5, 5".
    repeated_length: bool = False
    #: A chunked request body from an HTTP/1.0 client (we read it as chunked; what came
    #: along with it is dropped, and the connection ends).
    chunked_http10: bool = False
    #: HTTP/1.1 requests without Host (Tornado before 6.5).
    missing_host: bool = False
    #: Bytes beyond ASCII in a request's target, as Tornado's own client sends them: they are
    #: taken for what they would be when percent-encoded.
    raw_target: bool = False
    #: A response of the program's may have a Transfer-Encoding beside its Content-Length, which
    #: clients refuse (a test of Tornado's makes one); otherwise it is dropped.
    coding_beside_length: bool = False
    #: Folded field lines and controls in values (Tornado before 6.5). A fold becomes a space.
    loose_fields: bool = False
    #: Folded field lines alone: a client has to take them (RFC 9112 5.2).
    folding: bool = False
    #: Blanks between a chunk's size and the end of its line, as some servers pad it.
    chunk_padding: bool = False


STRICT = Dialect()
#: What the client takes of a server: as RFC 9112 (5.2, 6.3) asks of a user agent. None of it
#: leaves a doubt about where a message ends.
RESPONSES = Dialect(repeated_length=True, folding=True, chunk_padding=True)
