"""A method's signature, analysed once: where each parameter comes from, and what is returned.

Knows annotations. Must not know requests; `operations` does the work per request. An invalid
signature is refused here, with file and line, when the route is made.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from ..web.application import Application
from ..web.forms import FormParts
from ..web.handler import RequestHandler
from ..web.request import Request
from . import codec
from .dependencies import Depends
from .marks import SignatureError, check_fields, check_marks
from .parameters import Body, Form, Header, Marker, Path, Query, UploadFile
from .responses import Response, Status
from .security import Scheme

__all__ = ["MISSING", "Parameter", "Signature", "SignatureError", "check_whole",
           "signature_of"]  # fmt: skip

MISSING: Final = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a method or a dependency.

    source: "path", "query", "header", "cookie", "form", "body"; "file", "parts" (the form part by
    part), "stream" (the body as it arrives), "depends", "security"; "request", "handler" or
    "application" for these objects themselves.
    """

    name: str
    source: str
    type: Any
    default: Any = MISSING
    #: Its name in the source.
    alias: str = ""
    #: Whether all values of that name are taken.
    many: bool = False
    #: Of a dependency.
    signature: Signature | None = None
    scheme: Scheme | None = None

    @property
    def required(self) -> bool:
        return self.default is MISSING


@dataclass
class Signature:
    """What a method takes and returns."""

    function: Callable[..., Any]
    parameters: list[Parameter]
    returns: Any = MISSING
    #: Of what `returns` is a stream.
    streamed: Any = None
    #: Whether a `Response` holds it.
    is_response: bool = False
    status: int = 200
    description: str = ""
    is_method: bool = False
    path_names: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def body(self) -> Parameter | None:
        """The parameter that is the body, the method's or a dependency's."""
        return next((each for each in self.all_parameters() if each.source == "body"), None)

    @cached_property
    def streams(self) -> bool:
        """Whether the body is read by the method, as it arrives."""
        return any(each.source in ("parts", "stream") for each in self.parameters)

    @property
    def negotiates(self) -> bool:
        """Whether what a method returns may be sent in more than one media type.

        A `Response` of text has its own.
        """
        if self.is_response and self.returns is str:
            return False
        return self.returns not in (None, type(None), bytes, AsyncIterator)

    def all_parameters(self) -> list[Parameter]:
        """Those of dependencies too, each once."""
        found: list[Parameter] = []
        for each in self.parameters:
            if each.signature is not None:
                found += [other for other in each.signature.all_parameters() if other not in found]
            elif each not in found:
                found.append(each)
        return found


def signature_of(
    function: Callable[..., Any],
    path_names: Collection[str] = (),
    *,
    is_method: bool = False,
    is_dependency: bool = False,
    _within: tuple[Callable[..., Any], ...] = (),
) -> Signature:
    """Analyse `function`, whose route has the path parts `path_names`.

    The return value of a dependency is not checked.

    Raises SignatureError with file and line.
    """
    names = frozenset(path_names)
    where = _place(function)
    if function in _within:
        raise SignatureError(f"{where} depends on itself")
    unwrapped = inspect.unwrap(function)
    try:
        signature = inspect.signature(unwrapped)
        hints = get_type_hints(_annotated(unwrapped), include_extras=True)
    except (NameError, TypeError, ValueError) as error:
        raise SignatureError(f"{where}: {error}; annotations need names of the module") from error
    given = list(signature.parameters.values())
    if is_method:
        given = given[1:]
    found = [
        _parameter(each, hints, names, f"{where}: parameter {each.name!r}", (*_within, function))
        for each in given
    ]
    result = Signature(function, found, is_method=is_method, path_names=names)
    if not is_dependency:
        check_whole(result, where)
        _take_returned(result, hints.get("return", MISSING), where)
    return result


def _annotated(function: Callable[..., Any]) -> Any:
    """What has the annotations: of a class its constructor, of an instance its `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):
        return function.__init__  # type: ignore[misc]
    if inspect.isroutine(function):
        return function
    return type(function).__call__


def _place(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(_annotated(function)), "__code__", None)
    name = getattr(function, "__qualname__", repr(function))
    if code is None:
        return name
    return f"{code.co_filename}:{code.co_firstlineno}: {name}"


def check_whole(signature: Signature, where: str) -> None:
    """SignatureError for parameters that contradict each other, or leave out a part of the path."""
    sources = [each.source for each in signature.all_parameters()]
    if sources.count("body") > 1:
        raise SignatureError(f"{where} has more than one body; make one class of them")
    form = {"form", "file", "parts"} & set(sources)
    if ("body" in sources) + bool(form) + ("stream" in sources) > 1:
        raise SignatureError(f"{where} takes its body in more than one way")
    if "parts" in form and len(form) > 1:
        raise SignatureError(f"{where} reads the form part by part; its fields are parts as well")
    taken = {each.alias for each in signature.all_parameters() if each.source == "path"}
    missing = signature.path_names - taken
    if missing:
        listed = ", ".join(sorted(missing))
        raise SignatureError(f"{where} has no parameter for the path's {{{listed}}}")


_NOT_NAMED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_OBJECTS: tuple[tuple[type, str], ...] = (
    (RequestHandler, "handler"),
    (Request, "request"),
    (Application, "application"),
    (FormParts, "parts"),
    (UploadFile, "file"),
)


def _parameter(
    given: inspect.Parameter,
    hints: dict[str, Any],
    path_names: frozenset[str],
    where: str,
    within: tuple[Callable[..., Any], ...],
) -> Parameter:
    if given.kind in _NOT_NAMED:
        raise SignatureError(f"{where}: *args and **kwargs have no source; name each parameter")
    if given.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise SignatureError(f"{where} is positional only; parameters are passed by name")
    annotation = hints.get(given.name, MISSING)
    if annotation is MISSING:
        raise SignatureError(f"{where} has no annotation")
    plain, metadata = _taken_apart(annotation)
    name, default = given.name, given.default
    check_marks(plain, metadata, default, (Marker, Depends, Scheme), where)
    for mark in metadata:
        if isinstance(mark, Depends):
            inner = signature_of(mark.function, path_names, is_dependency=True, _within=within)
            return Parameter(name, "depends", plain, default, signature=inner)
        if isinstance(mark, Scheme):
            return Parameter(name, "security", plain, default, scheme=mark)
    whole = get_origin(plain) or plain
    if whole in (AsyncIterator, AsyncIterable):
        if get_args(plain) != (bytes,):
            raise SignatureError(f"{where}: a body comes as AsyncIterator[bytes], not {plain!r}")
        return Parameter(name, "stream", plain, default, alias=name)
    for cls, source in _OBJECTS:
        if isinstance(whole, type) and issubclass(whole, cls):
            return Parameter(name, source, plain, default, alias=name)
        if source == "file" and _item_of(plain) is cls:
            return Parameter(name, source, plain, default, alias=name, many=True)
    marker = next((mark for mark in metadata if isinstance(mark, Marker)), None)
    return _value(name, annotation, marker, default, path_names, where)


def _value(
    name: str,
    annotation: Any,
    marker: Marker | None,
    default: Any,
    path_names: frozenset[str],
    where: str,
) -> Parameter:
    type_ = _without_markers(annotation)
    try:
        compound = codec.has_fields(type_)
    except (TypeError, NotImplementedError) as error:
        raise SignatureError(f"{where}: {error}") from error
    if compound:
        check_fields(type_, where)
    if marker is None:
        if name in path_names:
            marker = Path()
        else:
            marker = Body() if compound else Query()
    source = marker.source
    if compound and source in ("path", "query", "header", "cookie"):
        raise SignatureError(f"{where}: a {source} cannot hold an object; make it the Body()")
    alias = marker.alias or (name.replace("_", "-") if isinstance(marker, Header) else name)
    if source == "path" and alias not in path_names:
        raise SignatureError(f"{where} is no part of the path; its route needs {{{alias}}}")
    many = source in ("query", "header", "form") and _item_of(_taken_apart(type_)[0]) is not None
    if isinstance(marker, Form) and compound:
        raise SignatureError(f"{where}: a field of a form is text; make each one a Form()")
    return Parameter(name, source, type_, default, alias=alias, many=many)


def _taken_apart(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    metadata = tuple(getattr(annotation, "__metadata__", ()))
    plain = get_args(annotation)[0] if metadata else annotation
    if get_origin(plain) in (Union, types.UnionType):
        # `Db | None` is about Db.
        others = [each for each in get_args(plain) if each is not types.NoneType]
        if len(others) == 1:
            inner, more = _taken_apart(others[0])
            return inner, (*metadata, *more)
    return plain, metadata


def _without_markers(annotation: Any) -> Any:
    """The annotation with only what msgspec knows beside the type."""
    metadata = getattr(annotation, "__metadata__", None)
    if not metadata:
        return annotation
    plain = get_args(annotation)[0]
    kept = [each for each in metadata if isinstance(each, msgspec.Meta)]
    from typing import Annotated

    for each in kept:
        plain = Annotated[plain, each]
    return plain


def _item_of(type_: Any) -> Any:
    if get_origin(type_) in (list, tuple, set, frozenset):
        return _taken_apart(get_args(type_)[0])[0]
    return None


def _take_returned(signature: Signature, annotation: Any, where: str) -> None:
    if annotation is MISSING:
        raise SignatureError(f"{where} does not say what it returns; `-> None` sends nothing")
    plain, metadata = _taken_apart(annotation)
    check_marks(plain, metadata, MISSING, (Status,), f"{where}, what it returns")
    status = next((each for each in metadata if isinstance(each, Status)), None)
    if get_origin(plain) is Response:
        plain = get_args(plain)[0]
        signature.is_response = True
    elif annotation is not None and not isinstance(plain, type(None)) and status is None:
        plain = annotation
    if get_origin(plain) is not None and _is_stream(get_origin(plain)):
        signature.streamed = get_args(plain)[0]
        plain = AsyncIterator
    elif plain not in (None, type(None), bytes, Response):
        try:
            if not codec.is_model(plain):
                codec.check_type(_without_markers(plain))
        except (TypeError, NotImplementedError) as error:
            raise SignatureError(f"{where} returns what cannot be sent: {error}") from error
    nothing = plain in (None, type(None))
    signature.returns = plain
    signature.status = status.code if status is not None else (204 if nothing else 200)
    signature.description = status.description if status is not None else ""


def _is_stream(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, AsyncIterator)
