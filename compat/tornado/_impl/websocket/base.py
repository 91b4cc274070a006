"""What the protocol objects of `tornado.websocket` share: errors, settings, the base class.

Knows nothing of frames, streams or handlers' frameworks: the "handler" is whatever has
`on_message`, `on_ping`, `on_pong`, `log_exception` and `on_ws_connection_close`.
"""

from __future__ import annotations

import abc
from functools import lru_cache
from typing import Any

from tornado.concurrent import Future
from tornado.log import gen_log

_default_max_message_size = 10 * 1024 * 1024
# Bytes that wait for a peer that does not read. Tornado has no bound; this is the one it has
# for the other direction of a connection.
_default_max_buffer_size = 100 * 1024 * 1024


class WebSocketError(Exception):
    """Base of this module's errors."""


class WebSocketClosedError(WebSocketError):
    """The connection is closed, or closing."""


@lru_cache
def de_dupe_gen_log(level: int, message: str) -> None:
    """Log to `tornado.general`, each message once."""
    gen_log.log(level, message)


class _WebSocketParams:
    """Settings of one connection."""

    def __init__(
        self,
        ping_interval: float | None = None,
        ping_timeout: float | None = None,
        max_message_size: int = _default_max_message_size,
        compression_options: dict[str, Any] | None = None,
        max_buffer_size: int | None = _default_max_buffer_size,
    ) -> None:
        self.max_buffer_size = max_buffer_size
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.max_message_size = max_message_size
        self.compression_options = compression_options


class WebSocketProtocol(abc.ABC):
    """Base of the versions of the protocol, of which one is left."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler
        self.stream: Any = None
        self.client_terminated = False
        self.server_terminated = False

    def on_connection_close(self) -> None:
        self._abort()

    def _abort(self) -> None:
        """Close the connection at once."""
        self.client_terminated = True
        self.server_terminated = True
        if self.stream is not None:
            self.stream.close()
        self.close()

    @abc.abstractmethod
    def close(self, code: int | None = None, reason: str | None = None) -> None:
        raise NotImplementedError()

    @abc.abstractmethod
    def is_closing(self) -> bool:
        raise NotImplementedError()

    @abc.abstractmethod
    async def accept_connection(self, handler: Any) -> None:
        raise NotImplementedError()

    @abc.abstractmethod
    def write_message(self, message: Any, binary: bool = False) -> Future:
        raise NotImplementedError()

    @property
    @abc.abstractmethod
    def selected_subprotocol(self) -> str | None:
        raise NotImplementedError()

    @abc.abstractmethod
    def write_ping(self, data: bytes) -> None:
        raise NotImplementedError()

    # What a client calls after its handshake.
    @abc.abstractmethod
    def _process_server_headers(self, key: Any, headers: Any) -> None:
        raise NotImplementedError()

    @abc.abstractmethod
    def start_pinging(self) -> None:
        raise NotImplementedError()

    @abc.abstractmethod
    async def _receive_frame_loop(self) -> None:
        raise NotImplementedError()

    @abc.abstractmethod
    def set_nodelay(self, x: bool) -> None:
        raise NotImplementedError()


for _class in (WebSocketError, WebSocketClosedError, WebSocketProtocol):
    _class.__module__ = "tornado.websocket"
