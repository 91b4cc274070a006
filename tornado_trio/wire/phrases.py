"""The phrases beside status codes: those of `http.client.responses`, without loading that module.

It imports the mail parsers: 4 % of a program's start-up time, and the enumeration in `http` takes
half a percent. Programs may add phrases to the table of `http.client`; those that do have imported
it. Knows status codes only.
"""

from __future__ import annotations

import sys
from typing import Final

__all__ = ["standard_phrase"]

# What most programs answer with; the others are looked up in `http`.
_COMMON: Final[dict[int, str]] = {
    101: "Switching Protocols",
    200: "OK",
    201: "Created",
    204: "No Content",
    206: "Partial Content",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def standard_phrase(status: int, default: str = "") -> str:
    """The phrase of a status code; `default` where there is none.

    >>> standard_phrase(404)
    'Not Found'
    """
    client = sys.modules.get("http.client")
    phrases: dict[int, str] | None = getattr(client, "responses", None)
    if phrases is not None:
        return phrases.get(status, default)
    if (common := _COMMON.get(status)) is not None:
        return common
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return default
