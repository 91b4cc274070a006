"""The ready-made handlers of `tornado.web`: for errors, redirects, files and fallbacks.

`tornado.web` shows them, and imports this module when one is asked for: most programs have no such
handler, and need not wait for what files and URLs take.
"""

from __future__ import annotations

import threading

from tornado._impl.generation import before
from tornado._impl.legacy.handlers import md5_version
from tornado._impl.names import shown_in
from tornado.web import RequestHandler

from tornado_trio.web import static, stock

__all__ = ["ErrorHandler", "FallbackHandler", "RedirectHandler", "StaticFileHandler"]


class ErrorHandler(stock.ErrorHandler, RequestHandler):
    """Answers every request with an error of `status_code`."""


class RedirectHandler(stock.RedirectHandler, RequestHandler):
    """Redirects GET requests to `url`, which may be a `str.format` template."""

    # Here, and only here, Tornado's tests ask for raw UTF-8.
    _ascii_location = False


class StaticFileHandler(static.StaticFileHandler, RequestHandler):
    """Serves the files of a directory: see `tornado_trio.web.StaticFileHandler`."""

    _static_hashes = {}
    _stamps = {}
    # Subclasses of programs (Jupyter's FileFindHandler) guard their own tables with it.
    _lock = threading.Lock()

    if before(6):
        get_content_version = classmethod(md5_version)


class FallbackHandler(stock.FallbackHandler, RequestHandler):
    """Hands requests to another callback, such as a `WSGIContainer`."""

    def prepare(self) -> None:  # type: ignore[override]
        self._finished = True
        self.request.connection.logged = True  # or the fallback does
        self.fallback(self.request)
        self.on_finish()


shown_in("tornado.web", ErrorHandler, FallbackHandler, RedirectHandler, StaticFileHandler)
