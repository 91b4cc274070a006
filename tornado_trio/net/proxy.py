"""Reading the PROXY protocol's header from trusted peers.

Knows streams, addresses and `wire.proxy_protocol`. Must not know HTTP.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, final

import trio

from ..errors import DeadlineError, StreamClosedError
from ..wire.proxy_protocol import ProxyHeader, parse_proxy_header, surely_missing
from .stream import Stream

#: Seconds a proxy may take; it sends the header before anything else.
HEADER_TIMEOUT = 5.0


@final
class ProxyProtocol:
    """Which peers are trusted to state the client's address by a PROXY header.

    Args:
      trusted: addresses and networks ("10.0.0.0/8", "::1") whose connections must begin
        with a header. All others are served as they are, and a header they send is data.
        "unix" trusts Unix sockets.
      timeout: seconds a header may take.
    """

    def __init__(self, trusted: Iterable[str], timeout: float = HEADER_TIMEOUT) -> None:
        names = list(trusted)
        self.timeout = timeout
        self._unix = "unix" in names
        self._networks = [ipaddress.ip_network(name) for name in names if name != "unix"]

    def trusts(self, address: Any) -> bool:
        """Whether a peer at this socket address is trusted."""
        if not isinstance(address, tuple):
            return self._unix
        try:
            peer = ipaddress.ip_address(address[0].partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(peer, "ipv4_mapped", None)
        peer = mapped or peer
        return any(peer in network for network in self._networks)

    async def read(self, stream: Stream) -> ProxyHeader | None:
        """Read the header, if the peer is trusted, and correct the stream's addresses.

        Not a byte more is read, so that `start_tls` may follow.

        Raises:
          PeerError: a trusted peer sent something else.
          DeadlineError: it sent nothing for too long.
          StreamClosedError: it left before the header was complete.
        """
        if not self.trusts(stream.remote_address):
            return None
        with trio.move_on_after(self.timeout):
            header = await _read_header(stream)
            if header.source is not None:
                stream.remote_address = header.source
                stream.local_address = header.destination
            return header
        raise DeadlineError(f"no PROXY header within {self.timeout} s", "proxy header")


async def _read_header(stream: Stream) -> ProxyHeader:
    received = b""
    while (parsed := parse_proxy_header(received)) is None:
        chunk = await stream.read_some(surely_missing(received))
        if not chunk:
            raise StreamClosedError("the stream ended within the PROXY header")
        received += chunk
    return parsed[0]
