"""Methods of `HTTPServerRequest` that Tornado 6.0 removed.

Programs that pass a plain function to `HTTPServer` answer through the request: they write
the response as raw bytes, head and all. The connection knows how to take those.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class LegacyRequestMethods:
    """The removed methods; a base of `HTTPServerRequest`."""

    version: str
    connection: Any
    _finish_time: float | None

    def supports_http_1_1(self) -> bool:
        """Is the client one that speaks HTTP/1.1?"""
        return self.version == "HTTP/1.1"

    def write(self, chunk: bytes, callback: Callable[[], object] | None = None) -> Any:
        """Send bytes of the response, its head included unless `connection.write_headers` did.

        `callback` runs once they have been given to the connection.
        """
        if not isinstance(chunk, bytes):
            raise TypeError("chunk must be bytes")
        future = self.connection.write(chunk)
        if callback is not None:
            from tornado.ioloop import IOLoop  # when asked for: httputil needs no loop

            IOLoop.current().add_callback(callback)
        return future

    def finish(self) -> None:
        """End the response."""
        self.connection.finish()
        self._finish_time = time.time()
