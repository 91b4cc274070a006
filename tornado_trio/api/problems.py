"""Machine-readable error responses: problem details (RFC 9457).

Knows the document and its exception. Must not know handlers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import responses
from typing import Any

import msgspec

from ..errors import PeerError
from ..web.errors import HTTPError

__all__ = ["MEDIA_TYPE", "Fault", "Problem", "document"]

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a request.

    source: "path", "query", "header", "cookie", "form" or "body".
    pointer: where in it: the parameter's name, or a JSON Pointer (RFC 6901) into the body.
    detail: what is wrong, for human readers.
    """

    source: str
    pointer: str
    detail: str


class Problem(HTTPError):
    """Ends the request with a problem document.

    Args:
        status: 400 to 599.
        detail: what happened this time, for human readers; sent to the client.
        title: the kind of problem; by default the phrase of the status.
        type: a URI that identifies the kind.
        errors: the faults found.
        headers: fields of the answer, such as WWW-Authenticate.
        extensions: further members of the document.

    ValueError for another status.
    """

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        title: str | None = None,
        type: str = "about:blank",
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise ValueError(f"a problem has a status from 400 to 599, not {status!r}")
        text = detail or title or responses.get(status, "Unknown")
        super().__init__(status, "%s", text, headers=headers)
        self.detail = detail
        self.title = title
        self.type = type
        self.errors = list(errors)
        self.extensions = extensions


def document(status: int, error: BaseException | None) -> bytes:
    """The JSON of a problem.

    The message of an error other than `Problem` is not shown, unless it is about what the client
    sent.
    """
    found: dict[str, Any] = {
        "type": "about:blank",
        "title": responses.get(status, "Unknown"),
        "status": status,
    }
    if isinstance(error, Problem):
        found["type"] = error.type
        if error.title is not None:
            found["title"] = error.title
        if error.detail is not None:
            found["detail"] = error.detail
        if error.errors:
            found["errors"] = error.errors
        found.update(error.extensions)
    elif isinstance(error, HTTPError) and error.reason:
        found["title"] = error.reason
    told = error.__cause__ if isinstance(error, HTTPError) else error
    if isinstance(told, PeerError):
        found.setdefault("detail", str(told))
    return msgspec.json.encode(found)
