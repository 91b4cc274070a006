"""The OpenAPI document as a resource, and a page that shows it without external assets.

Knows the document's form; the page's script reads it in the browser.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec

from ..web.handler import RequestHandler

__all__ = ["DocsPage", "Document"]


class Document(RequestHandler):
    """`/openapi.json`."""

    def get(self) -> None:
        app: Any = self.application
        if app._document is None:
            app._document = msgspec.json.encode(app.openapi())
        self.set_header("Content-Type", "application/json")
        self.finish(app._document)


class DocsPage(RequestHandler):
    """`/docs`: the document for human readers."""

    def get(self) -> None:
        app: Any = self.application
        page = files("tornado_trio.api").joinpath("docs.html").read_bytes()
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            "connect-src 'self'",
        )
        self.finish(page.replace(b"{{ document }}", app.openapi_path.encode()))
