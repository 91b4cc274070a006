"""Error responses that the server makes itself, without an application."""

from __future__ import annotations

from ..wire.dates import http_date
from ..wire.phrases import standard_phrase

__all__ = ["error_page"]


def error_page(status: int, message: str = "") -> bytes:
    """A whole response, closing the connection. `message` may quote the client's bytes;
    what is not printable ASCII is dropped, and the type keeps browsers from reading it
    as a page."""
    # A program may have put a phrase of its own into `http.client.responses`.
    reason = _printable(standard_phrase(status, "Unknown"))
    text = _printable(message)[:200]
    body = (f"{status} {reason}" + (f": {text}" if text else "") + "\n").encode("ascii")
    return (
        f"HTTP/1.1 {status} {reason}\r\n"
        f"Date: {http_date()}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode("ascii") + body


def _printable(text: str) -> str:
    return "".join(c for c in text if " " <= c <= "~")
