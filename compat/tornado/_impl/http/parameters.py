"""The parameters of a connection, which an `HTTPServer` has before any connection.

`tornado.http1connection` shows them.
"""

from __future__ import annotations

from tornado._impl.names import shown_in

__all__ = ["HTTP1ConnectionParameters"]


class HTTP1ConnectionParameters:
    """Parameters of `HTTP1Connection` and `HTTP1ServerConnection`.

    Args:
      no_keep_alive: one request per connection.
      chunk_size: bytes given to a delegate at once.
      max_header_size: of a head.
      header_timeout: seconds to wait for a request's head.
      max_body_size, body_timeout: of each body.
      decompress: inflate gzip bodies.
    """

    def __init__(
        self,
        no_keep_alive: bool = False,
        chunk_size: int | None = None,
        max_header_size: int | None = None,
        header_timeout: float | None = None,
        max_body_size: int | None = None,
        body_timeout: float | None = None,
        decompress: bool = False,
    ) -> None:
        self.no_keep_alive = no_keep_alive
        self.chunk_size = chunk_size or 65536
        self.max_header_size = max_header_size or 65536
        self.header_timeout = header_timeout
        self.max_body_size = max_body_size
        self.body_timeout = body_timeout
        self.decompress = decompress


shown_in("tornado.http1connection", HTTP1ConnectionParameters)
