"""The phrases beside status codes: those of `http.client.responses`, without loading that module.

It imports the mail parsers: 4 % of a program's start-up time. Programs may add phrases to its
table; those that do have imported it. Knows status codes only.
"""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import Final

__all__ = ["standard_phrase"]

_STANDARD: Final[dict[int, str]] = {int(status): status.phrase for status in HTTPStatus}


def standard_phrase(status: int, default: str = "") -> str:
    """The phrase of a status code; `default` where there is none.

    >>> standard_phrase(404)
    'Not Found'
    """
    client = sys.modules.get("http.client")
    phrases: dict[int, str] = getattr(client, "responses", _STANDARD)
    return phrases.get(status, default)
