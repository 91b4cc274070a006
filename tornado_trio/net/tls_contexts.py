"""SSL contexts for servers and clients, with certificates by host name and reloading.

Knows ssl and files. Must not know HTTP.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import final

import trio

from .._util.records import dataclass
from .socket_stream import SocketStream
from .tls import HANDSHAKE_TIMEOUT, TlsStream, start_tls

logger = logging.getLogger("tornado_trio.net")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Where a certificate (with its chain) and its key are. PEM files."""

    #: The certificate, and those of the authorities between it and the root.
    certfile: str | os.PathLike[str]
    #: The key; None: in `certfile` too.
    keyfile: str | os.PathLike[str] | None = None
    #: What the key is encrypted with.
    password: str | None = field(default=None, repr=False)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have `context` present it. Errors: OSError, ssl.SSLError for unusable files."""
        context.load_cert_chain(self.certfile, self.keyfile, self.password)

    def modified(self) -> tuple[float, ...]:
        """Changes when one of the files does."""
        files = [self.certfile] if self.keyfile is None else [self.certfile, self.keyfile]
        return tuple(os.stat(file).st_mtime for file in files)


@final
class ServerTls:
    """The TLS settings of a server.

    Args:
      certificate: for clients that name no host, or an unknown one.
      by_name: certificates by host name; `*.example.org` answers for one label.
      alpn: application protocols offered, preferred ones first.
      client_ca: PEM file of the authorities of client certificates; None: none are requested.
      client_required: a client without a certificate is refused.
      handshake_timeout: seconds.
    """

    #: Connections are (see `server.serve.TlsSource`).
    encrypts = True

    def __init__(
        self,
        certificate: Certificate,
        *,
        by_name: Mapping[str, Certificate] | None = None,
        alpn: Sequence[str] = (),
        client_ca: str | os.PathLike[str] | None = None,
        client_required: bool = True,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
    ) -> None:
        self.handshake_timeout = handshake_timeout
        self._alpn = list(alpn)
        self._client_ca = client_ca
        self._client_required = client_required
        self.context = self._new_context(certificate)
        self._loaded = [(certificate, self.context)]
        self._by_name: dict[str, ssl.SSLContext] = {}
        for name, named in (by_name or {}).items():
            context = self._new_context(named)
            self._by_name[name.lower()] = context
            self._loaded.append((named, context))
        self.context.sni_callback = self._choose
        self._modified = self._current()

    def _new_context(self, certificate: Certificate) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # some builds leave it to OpenSSL
        # A client could otherwise make the server do key exchanges without end.
        context.options |= ssl.OP_NO_RENEGOTIATION
        certificate.load_into(context)
        if self._alpn:
            context.set_alpn_protocols(self._alpn)
        if self._client_ca is not None:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED if self._client_required else ssl.CERT_OPTIONAL
        return context

    def _choose(self, sock: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        if name is None:
            return
        # The stdlib forgets which name was asked for; TlsStream.server_name reads it here.
        sock.asked_server_name = name  # type: ignore[attr-defined]
        name = name.lower().rstrip(".")
        chosen = self._by_name.get(name)
        if chosen is None:
            chosen = self._by_name.get("*." + name.partition(".")[2])
        if chosen is not None:
            sock.context = chosen

    async def accept(self, stream: SocketStream) -> TlsStream:
        """The server's side of the handshake. Errors as `start_tls`."""
        return await start_tls(
            stream, self.context, server_side=True, handshake_timeout=self.handshake_timeout
        )

    def reload(self) -> None:
        """Read the certificates again. New handshakes use them, existing connections continue.

        All or nothing: if one file is unreadable or a key does not match, nothing changes.

        Raises:
          OSError, ssl.SSLError
        """
        modified = self._current()
        for certificate, _context in self._loaded:
            certificate.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        for certificate, context in self._loaded:
            certificate.load_into(context)
        self._modified = modified

    async def reload_on_change(self, every: float = 60.0) -> None:
        """Look every so many seconds whether a file changed; reload. Never returns.

        A certificate that cannot be loaded is logged, and tried again when it changes.
        """
        while True:
            await trio.sleep(every)
            try:
                if self._current() != self._modified:
                    self.reload()
                    logger.info("TLS certificates reloaded")
            except (OSError, ssl.SSLError) as exc:
                logger.error("TLS certificates not reloaded: %s", exc)

    def _current(self) -> list[tuple[float, ...]]:
        return [certificate.modified() for certificate, _context in self._loaded]


def client_context(
    *,
    ca_file: str | os.PathLike[str] | None = None,
    certificate: Certificate | None = None,
    alpn: Sequence[str] = (),
    verify: bool = True,
) -> ssl.SSLContext:
    """A context for connecting.

    Args:
      ca_file: PEM file of the authorities trusted; None: the system's.
      certificate: ours, for servers that ask for one.
      verify: False accepts any certificate for any name: for tests only.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        certificate.load_into(context)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
