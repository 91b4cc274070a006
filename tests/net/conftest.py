"""Pairs of connected streams, one kind per test: every `Stream` keeps the same contract."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tornado_trio.net import SocketStream, Stream, memory_stream_pair


@pytest.fixture(params=["socket", "memory"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Stream, Stream]]:
    if request.param == "memory":
        streams: tuple[Stream, Stream] = memory_stream_pair()
    else:
        left, right = socket.socketpair()
        streams = (SocketStream(left), SocketStream(right))
    yield streams
    for stream in streams:
        stream.close()
