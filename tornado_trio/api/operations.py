"""One request through one typed method: values out of the request, dependencies, the call.

Knows signatures and requests. All parameters are looked at before anything is refused, so that
the answer names every fault.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any

import msgspec

from ..web.errors import HTTPError
from ..web.forms import form_parts
from ..wire.parameters import parse_header
from . import codec
from .problems import Fault, Problem
from .responses import negotiated, send
from .signatures import Parameter, Signature

if TYPE_CHECKING:
    from ..web.handler import RequestHandler

__all__ = ["Overrides", "call"]

#: Dependency -> what is used in its place, in tests.
Overrides = Mapping[Callable[..., Any], Callable[..., Any]]

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def call(
    handler: RequestHandler,
    signature: Signature,
    path: Mapping[str, Any],
    overrides: Overrides,
) -> None:
    """Run a typed method and send what it returns.

    Cancellation: dependencies are closed with the cancellation, in reverse order.
    """
    media_type = _media_type_for(handler, signature)
    taken = _Taken(handler, path)
    taken.check(signature)
    async with AsyncExitStack() as stack:
        resolver = _Resolver(handler, taken, stack, overrides)
        arguments = await resolver.arguments(signature)
        function = signature.function
        given = (handler,) if signature.is_method else ()
        result = function(*given, **arguments)
        if inspect.isawaitable(result):
            result = await result
        if hasattr(result, "__anext__"):
            # What it sends may need what is open.
            await send(handler, result, signature.status, media_type)
            return
    if handler._finished or (result is None and handler._write_buffer):
        return  # it wrote its answer itself
    await send(handler, result, signature.status, media_type)


def _media_type_for(handler: RequestHandler, signature: Signature) -> str:
    if signature.returns in (None, type(None), bytes):
        return codec.JSON
    return negotiated(handler.request.headers.get("Accept"))


class _Taken:
    """The values of a request's parameters, once each; and what is wrong with them."""

    def __init__(self, handler: RequestHandler, path: Mapping[str, Any]) -> None:
        self.handler = handler
        self.request = handler.request
        self.path = path
        self.faults: list[Fault] = []
        self.values: dict[tuple[str, str, Any], Any] = {}

    def check(self, signature: Signature) -> None:
        """Take all values. Raises Problem: 401, 415, 400 or 422."""
        parameters = signature.all_parameters()
        for each in parameters:
            if each.source == "security":
                self._take_credentials(each)
        self._check_form({each.source for each in parameters})
        for each in parameters:
            if each.source == "body":
                self._take_body(each)
            elif each.source in _TEXTS:
                self._take_text(each)
            elif each.source == "file":
                self._take_file(each)
        if self.faults:
            raise Problem(422, "the request does not fit", errors=self.faults)

    def value(self, parameter: Parameter) -> Any:
        return self.values[_key(parameter)]

    def _take_credentials(self, parameter: Parameter) -> None:
        scheme = parameter.scheme
        assert scheme is not None
        found = scheme.take(self.request)
        if found is None:
            if parameter.required:
                raise scheme.refuse()
            found = parameter.default
        self.values[_key(parameter)] = found

    def _check_form(self, sources: set[str]) -> None:
        if not sources & {"form", "file", "parts"}:
            return
        content_type = self.request.headers.get("Content-Type", "")
        accepted = _FORMS if sources.isdisjoint({"file", "parts"}) else _FORMS[1:]
        has_body = bool(self.request.body) or "parts" in sources
        if (content_type or has_body) and parse_header(content_type)[0].lower() not in accepted:
            raise Problem(
                415, f"a form is needed: {' or '.join(accepted)}",
                headers={"Accept": ", ".join(accepted)},
            )  # fmt: skip

    def _take_text(self, parameter: Parameter) -> None:
        raw = _TEXTS[parameter.source](self, parameter)
        if raw is None:
            self._take_default(parameter)
            return
        try:
            self.values[_key(parameter)] = codec.from_text(raw, parameter.type)
        except ValueError as error:
            self._fault(parameter, str(error).partition(" - at `")[0])

    def _take_default(self, parameter: Parameter) -> None:
        if parameter.required:
            self._fault(parameter, "is missing")
        else:
            self.values[_key(parameter)] = parameter.default

    def _fault(self, parameter: Parameter, detail: str) -> None:
        source = "form" if parameter.source == "file" else parameter.source
        self.faults.append(Fault(source, parameter.alias, detail))

    def _take_file(self, parameter: Parameter) -> None:
        files = self.request.files.get(parameter.alias)
        if not files:
            self._take_default(parameter)
        else:
            self.values[_key(parameter)] = files if parameter.many else files[-1]

    def _take_body(self, parameter: Parameter) -> None:
        body = self.request.body
        content_type = self.request.headers.get("Content-Type")
        if not body and content_type is None:
            self._take_default(parameter)
            return
        media_type = parse_header(content_type or codec.JSON)[0].lower()
        if media_type.endswith("+json"):
            media_type = codec.JSON
        if media_type not in (codec.JSON, codec.MSGPACK):
            raise Problem(
                415, f"the body is to be {codec.JSON} or {codec.MSGPACK}",
                headers={"Accept": f"{codec.JSON}, {codec.MSGPACK}"},
            )  # fmt: skip
        try:
            self.values[_key(parameter)] = codec.decode(body, parameter.type, media_type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            self._say_what_is_wrong(parameter, body, media_type)

    def _say_what_is_wrong(self, parameter: Parameter, body: bytes, media_type: str) -> None:
        """A body that could not be decoded: it is no document at all, or one that does not fit."""
        try:
            found = codec.faults_of(body, parameter.type, media_type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Problem(400, f"the body cannot be read: {error}") from error
        self.faults += [Fault("body", pointer, detail) for pointer, detail in found]

    # --- texts by source: one, a list of all, or None ---------------------------------------------

    def _from_path(self, parameter: Parameter) -> Any:
        return self.path.get(parameter.alias)

    def _from_query(self, parameter: Parameter) -> Any:
        return self._decoded(self.request.query_arguments.get(parameter.alias), parameter)

    def _from_form(self, parameter: Parameter) -> Any:
        return self._decoded(self.request.body_arguments.get(parameter.alias), parameter)

    def _decoded(self, values: list[bytes] | None, parameter: Parameter) -> Any:
        if not values:
            return None
        try:
            texts = [self.handler.decode_argument(each, parameter.alias) for each in values]
        except HTTPError as error:
            raise Problem(400, str(error.get_message())) from error
        return texts if parameter.many else texts[-1]

    def _from_header(self, parameter: Parameter) -> Any:
        values = self.request.headers.get_list(parameter.alias)
        if not values:
            return None
        return values if parameter.many else ", ".join(values)

    def _from_cookie(self, parameter: Parameter) -> Any:
        return self.request.get_cookie(parameter.alias)


_TEXTS: dict[str, Callable[[_Taken, Parameter], Any]] = {
    "path": _Taken._from_path,
    "query": _Taken._from_query,
    "header": _Taken._from_header,
    "cookie": _Taken._from_cookie,
    "form": _Taken._from_form,
}


def _key(parameter: Parameter) -> tuple[str, str, Any]:
    return parameter.source, parameter.alias or parameter.name, id(parameter)


class _Resolver:
    """Arguments of a method and of its dependencies, which are opened on the way."""

    def __init__(
        self, handler: RequestHandler, taken: _Taken, stack: AsyncExitStack, overrides: Overrides
    ) -> None:
        self.handler = handler
        self.taken = taken
        self.stack = stack
        self.overrides = overrides
        self.made: dict[Callable[..., Any], Any] = {}

    async def arguments(self, signature: Signature) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for each in signature.parameters:
            if each.source == "depends":
                assert each.signature is not None
                found[each.name] = await self._dependency(each.signature)
            elif each.source == "request":
                found[each.name] = self.handler.request
            elif each.source == "handler":
                found[each.name] = self.handler
            elif each.source == "parts":
                found[each.name] = form_parts(
                    self.handler.request, getattr(self.handler, "form_limits", None)
                )
            else:
                found[each.name] = self.taken.value(each)
        return found

    async def _dependency(self, signature: Signature) -> Any:
        function = signature.function
        if function in self.made:
            return self.made[function]
        replacement = self.overrides.get(function)
        if replacement is None:
            result = function(**await self.arguments(signature))
        else:
            result = replacement()
        if isinstance(result, AbstractAsyncContextManager):
            result = await self.stack.enter_async_context(result)
        elif inspect.isawaitable(result):
            result = await result
        self.made[function] = result
        return result
