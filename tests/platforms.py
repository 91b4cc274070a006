"""Marks for tests of what only some systems have. `make test-portable` takes it all away."""

from __future__ import annotations

import os
import socket

import pytest

from tornado_trio.server import watch

HAS_EPOLL = hasattr(watch.select, "epoll")
WITHOUT_EPOLL = "without epoll the end of a stream is not seen behind bytes that nobody reads"

needs_epoll = pytest.mark.skipif(not HAS_EPOLL, reason=WITHOUT_EPOLL)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
needs_unix_sockets = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="no Unix sockets"
)
needs_reuse_port = pytest.mark.skipif(
    not hasattr(socket, "SO_REUSEPORT"), reason="no SO_REUSEPORT"
)
