"""Pairs of connected streams, one kind per test: every `Stream` keeps the same contract."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trustme

from tornado_trio.net import (
    Certificate,
    ServerTls,
    SocketStream,
    Stream,
    client_context,
    memory_stream_pair,
    start_tls,
)


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `localhost.pem` and `ca.pem`."""
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    certificate = ca.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "localhost.pem")
    return folder


@pytest.fixture(params=["socket", "memory", "tls"])
async def pair(
    request: pytest.FixtureRequest, tls_files: Path
) -> AsyncIterator[tuple[Stream, Stream]]:
    if request.param == "memory":
        streams: list[Stream] = [*memory_stream_pair()]
    else:
        streams = [SocketStream(sock) for sock in socket.socketpair()]
    if request.param == "tls":
        tls = ServerTls(Certificate(certfile=tls_files / "localhost.pem"))
        context = client_context(ca_file=tls_files / "ca.pem")

        async def client() -> None:
            assert isinstance(streams[0], SocketStream)
            streams[0] = await start_tls(streams[0], context, server_hostname="localhost")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(client)
            assert isinstance(streams[1], SocketStream)
            streams[1] = await tls.accept(streams[1])
    yield streams[0], streams[1]
    for stream in streams:
        stream.close()
