"""Values of one request: read from their sources, converted, checked.

Knows requests and the codec. Must not know dependencies. What to read is decided when a route is
made; per request one function runs for each parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ..web.errors import HTTPError
from ..web.forms import form_parts
from ..wire.parameters import parse_header
from . import codec
from .parameters import UploadFile
from .problems import Fault, Problem
from .signatures import MISSING, Parameter

if TYPE_CHECKING:
    from ..web.handler import RequestHandler

__all__ = ["OBJECTS", "Taker", "check_form", "form_types", "take_body", "take_credentials"]

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

#: What reads a parameter: one text, a list of all, or None for none.
Read = Callable[["RequestHandler", Mapping[str, Any]], Any]


class Taker:
    """How one parameter, which is text or a file, is read from a request.

    Attributes:
      name: the argument's.
      read: see `Read`.
      exact: a type whose values need no conversion.
      default: the value if it is absent; MISSING for none.
    """

    __slots__ = ("default", "exact", "name", "parameter", "read")

    def __init__(self, parameter: Parameter) -> None:
        self.name = parameter.name
        self.parameter = parameter
        self.read: Read = _READERS[parameter.source](parameter)
        self.default = parameter.default
        self.exact: Any = None
        if parameter.source == "file":
            self.exact = list if parameter.many else UploadFile
        elif parameter.type in _EXACT:
            self.exact = parameter.type

    def convert(self, raw: Any, faults: list[Fault]) -> Any:
        """Convert what was read, unless it is already of the type `exact`."""
        if raw is None:
            if self.default is MISSING:
                _note(faults, self.parameter, "is missing")
                return None
            return self.default
        try:
            return codec.from_text(raw, self.parameter.type)
        except ValueError as error:
            _note(faults, self.parameter, str(error).partition(" - at `")[0])


# Constraints would make them `Annotated`.
_EXACT = (str, int, bool)


def _note(faults: list[Fault], parameter: Parameter, detail: str) -> None:
    source = "form" if parameter.source == "file" else parameter.source
    fault = Fault(source, parameter.alias, detail)
    if fault not in faults:  # two functions may take the same
        faults.append(fault)


# --- by source -------------------------------------------------------------------------------


def _path(parameter: Parameter) -> Read:
    alias = parameter.alias

    def read(handler: RequestHandler, path: Mapping[str, Any]) -> Any:
        return path.get(alias)

    return read


def _query(parameter: Parameter) -> Read:
    alias, many = parameter.alias, parameter.many

    def read(handler: RequestHandler, path: Mapping[str, Any]) -> Any:
        values = handler.request.query_arguments.get(alias)
        return None if not values else _decoded(handler, values, alias, many)

    return read


def _form(parameter: Parameter) -> Read:
    alias, many = parameter.alias, parameter.many

    def read(handler: RequestHandler, path: Mapping[str, Any]) -> Any:
        values = handler.request.body_arguments.get(alias)
        return None if not values else _decoded(handler, values, alias, many)

    return read


def _decoded(handler: RequestHandler, values: list[bytes], alias: str, many: bool) -> Any:
    decode = handler.decode_argument
    try:
        if many:
            return [decode(each, alias) for each in values]
        for each in values:  # also those that do not count
            text = decode(each, alias)
    except HTTPError as error:
        raise Problem(400, str(error.get_message())) from error
    return text


def _header(parameter: Parameter) -> Read:
    alias = parameter.alias
    if parameter.many:
        return lambda handler, path: handler.request.headers.get_list(alias) or None
    return lambda handler, path: handler.request.headers.get(alias)


def _cookie(parameter: Parameter) -> Read:
    alias = parameter.alias
    return lambda handler, path: handler.request.get_cookie(alias)


def _file(parameter: Parameter) -> Read:
    alias = parameter.alias
    if parameter.many:
        return lambda handler, path: handler.request.files.get(alias) or None
    return lambda handler, path: (handler.request.files.get(alias) or (None,))[-1]


_READERS: Mapping[str, Callable[[Parameter], Read]] = {
    "path": _path,
    "query": _query,
    "form": _form,
    "header": _header,
    "cookie": _cookie,
    "file": _file,
}

#: The sources that are no values of the request, and what the argument is.
OBJECTS: Mapping[str, Callable[[RequestHandler], Any]] = {
    "request": lambda handler: handler.request,
    "handler": lambda handler: handler,
    "application": lambda handler: handler.application,
    "stream": lambda handler: handler.request.connection.body(),
    "parts": lambda handler: form_parts(handler.request, getattr(handler, "form_limits", None)),
}


# --- what is there once ----------------------------------------------------------------------


def take_credentials(parameter: Parameter, handler: RequestHandler) -> Any:
    """Those that the parameter's scheme finds, or its default; 401 without both."""
    scheme = parameter.scheme
    assert scheme is not None
    found = scheme.take(handler.request)
    if found is not None:
        return found
    if parameter.required:
        raise scheme.refuse()
    return parameter.default


def form_types(sources: Iterable[str]) -> tuple[str, ...] | None:
    """The media types of a form with parameters of these sources; None for none."""
    found = {"form", "file", "parts"}.intersection(sources)
    if not found:
        return None
    return _FORMS if found == {"form"} else _FORMS[1:]


def check_form(handler: RequestHandler, accepted: tuple[str, ...], streamed: bool) -> None:
    """415 for a body of another type."""
    request = handler.request
    content_type = request.headers.get("Content-Type", "")
    has_body = bool(request.body) or streamed
    if (content_type or has_body) and parse_header(content_type)[0].lower() not in accepted:
        raise Problem(
            415, f"a form is needed: {' or '.join(accepted)}",
            headers={"Accept": ", ".join(accepted)},
        )  # fmt: skip


def take_body(parameter: Parameter, handler: RequestHandler, faults: list[Fault]) -> Any:
    """The body as the parameter's type; bytes are the raw body.

    415 for another media type, 400 for a malformed document.
    """
    request = handler.request
    body = request.body
    media_type = request.headers.get("Content-Type")
    if parameter.type is bytes and (body or media_type is not None):
        return body
    if media_type is None:
        if not body:
            if parameter.required:
                _note(faults, parameter, "is missing")
            return parameter.default
        media_type = codec.JSON
    elif media_type != codec.JSON:
        media_type = _media_type(media_type)
    try:
        return codec.decode(body, parameter.type, media_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        first = str(error)
    # It is no document at all, or one that does not fit.
    try:
        found = codec.faults_of(body, parameter.type, media_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"the body cannot be read: {error}") from error
    faults += [Fault("body", pointer, detail) for pointer, detail in found or [("", first)]]


def _media_type(content_type: str) -> str:
    media_type = parse_header(content_type)[0].lower()
    if media_type.endswith("+json"):
        media_type = codec.JSON
    if media_type not in (codec.JSON, codec.MSGPACK):
        raise Problem(
            415, f"the body is to be {codec.JSON} or {codec.MSGPACK}",
            headers={"Accept": f"{codec.JSON}, {codec.MSGPACK}"},
        )  # fmt: skip
    return media_type
