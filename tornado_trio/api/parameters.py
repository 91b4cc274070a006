"""Where a parameter comes from, according to its annotation.

    limit: int                                    the query (a plain type that is no path part)
    id: int                                       the path, where the route has {id}
    order: NewOrder                               the body (a class with fields, list, dict)
    agent: Annotated[str, Header("User-Agent")]   a header; by default the name, _ as -
    theme: Annotated[str, Cookie()]               a cookie
    title: Annotated[str, Form()]                 a field of a form
    photo: UploadFile                             a file of a form
    data: Annotated[bytes, Body()]                the body as it is, whatever its type
    chunks: AsyncIterator[bytes]                  the same as it comes
    app: api.Application[State]                   the application; request: web.Request and
                                                  handler: web.RequestHandler are these

Knows markers only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from ..wire.formdata import HTTPFile

__all__ = [
    "Body",
    "Cookie",
    "Form",
    "Header",
    "Marker",
    "Path",
    "Query",
    "UploadFile",
]

#: One file of a multipart form: `filename` (what the client says), `body` (bytes),
#: `content_type`. Forms of any size are read part by part: take `web.FormParts`.
UploadFile: TypeAlias = HTTPFile


@dataclass(frozen=True, slots=True)
class Marker:
    """Names a source; `alias` is the name there, if it differs from the parameter's."""

    alias: str | None = None
    #: The word for it in OpenAPI and in the location of a fault.
    source: ClassVar[str] = ""


class Path(Marker):
    """A named part of the path."""

    source = "path"


class Query(Marker):
    """An argument of the query string; a list takes all of its values."""

    source = "query"


class Header(Marker):
    """A header field; by default the parameter's name with dashes for underscores."""

    source = "header"


class Cookie(Marker):
    """A cookie of the request."""

    source = "cookie"


class Form(Marker):
    """A field of a form body (urlencoded or multipart)."""

    source = "form"


class Body(Marker):
    """The body, in the media type that it names: JSON or MessagePack."""

    source = "body"
