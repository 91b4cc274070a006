"""The OpenAPI 3.1 document of an application, from the same signatures that answer requests.

Knows typed methods and JSON Schema (by msgspec; pydantic's models bring their own).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator
from http.client import responses
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import msgspec

from . import codec
from .gaps import shapes_of
from .handlers import FunctionHandler
from .problems import MEDIA_TYPE
from .responses import media_type_of
from .signatures import Parameter, Signature
from .takers import OBJECTS

if TYPE_CHECKING:
    from .application import Application, Operation

__all__ = ["document"]

_REF = "#/components/schemas/{name}"
_CONVERTED = re.compile(r"\{(\w+):\w+\}")

_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "source": {"type": "string"},
                    "pointer": {"type": "string"},
                    "detail": {"type": "string"},
                },
                "required": ["source", "pointer", "detail"],
            },
        },
    },
    "required": ["type", "title", "status"],
}


#: Every part of a form has a name (RFC 7578 4.2), which a header field can hold.
_NAMED = {"propertyNames": {"pattern": r"^[^\u0000-\u001f\u007f]+$"}}


class _Schemas:
    """JSON Schemas of the types met, named ones once."""

    def __init__(self, taken: list[Any], returned: list[Any]) -> None:
        self._models, self.components = _of_models(taken, returned)
        plain = [each for each in (*taken, *returned) if not codec.is_model(each)]
        if self._models:
            _, components = self._of_others(plain)
            for name in components.keys() & self.components.keys():
                self._rename(name, f"{name}Model")
        found, components = self._of_others(plain)
        self.components.update(components)
        self.problem = "ProblemDetails" if "Problem" in self.components else "Problem"
        self.components[self.problem] = _PROBLEM
        self._by_id = {id(type_): schema for type_, schema in zip(plain, found, strict=True)}
        self._kept = plain  # their ids stay theirs

    def of(self, type_: Any, mode: str = "validation") -> dict[str, Any]:
        if codec.is_model(type_):
            return dict(self._models[type_, mode])
        return dict(self._by_id[id(type_)])

    def _of_others(self, types: list[Any]) -> tuple[Any, dict[str, Any]]:
        return msgspec.json.schema_components(types, ref_template=_REF, schema_hook=self._hook)

    def _hook(self, type_: Any) -> dict[str, Any]:
        for mode in ("validation", "serialization"):
            if (type_, mode) in self._models:
                return dict(self._models[type_, mode])
        raise NotImplementedError

    def _rename(self, old: str, new: str) -> None:
        """Another name for a model's component, which msgspec gave to one of its own."""
        self.components[new] = self.components.pop(old)
        before, after = _REF.format(name=old), _REF.format(name=new)
        stack: list[Any] = [self.components, list(self._models.values())]
        while stack:
            held = stack.pop()
            if isinstance(held, dict):
                if held.get("$ref") == before:
                    held["$ref"] = after
                stack += held.values()
            elif isinstance(held, list):
                stack += held


def _of_models(
    taken: list[Any], returned: list[Any]
) -> tuple[dict[tuple[Any, str], dict[str, Any]], dict[str, Any]]:
    """What pydantic says of its models: the schema of each, and the components these need."""
    wanted: dict[Any, None] = {
        (model, mode): None
        for types, mode in ((taken, "validation"), (returned, "serialization"))
        for type_ in types
        for model in _models_in(type_)
    }
    if not wanted:
        return {}, {}
    from pydantic.json_schema import models_json_schema

    template = _REF.replace("{name}", "{model}")
    found: Any
    found, definitions = models_json_schema(list(wanted), ref_template=template)
    return dict(found), definitions.get("$defs", {})


def _models_in(type_: Any) -> list[Any]:
    if codec.is_model(type_):
        return [type_]
    classes = [getattr(info, "cls", None) for info in shapes_of(type_)]
    return [each for each in classes if codec.is_model(each)]


def document(app: Application[Any]) -> dict[str, Any]:
    """The whole document, of built-in types."""
    operations = [
        (path, verb, target.typed_methods[verb], app.described.get((path, verb)), target)
        for path, verb, target in app.operations()
    ]
    shown = [each for each in operations if each[3] is None or not each[3].hidden]
    schemas = _Schemas(
        [type_ for each in shown for type_ in _taken(each[2])],
        [each[2].returns for each in shown if _is_object(each[2].returns)],
    )
    paths: dict[str, Any] = {}
    names: set[str] = set()
    for path, verb, signature, described, target in shown:
        plain = _CONVERTED.sub(r"{\1}", path)
        function = issubclass(target, FunctionHandler)
        first = signature.function.__name__ if function else f"{verb}_{target.__name__}"
        name = _operation_id(first, verb, plain, names)
        paths.setdefault(plain, {})[verb] = _operation(name, signature, described, schemas)
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": app.title, "version": app.version},
        "paths": paths,
        "components": {"schemas": schemas.components},
    }
    if app.description:
        found["info"]["description"] = app.description
    schemes = dict(scheme.describe() for scheme in app.schemes())
    if schemes:
        found["components"]["securitySchemes"] = schemes
    return found


def _operation_id(name: str, verb: str, path: str, names: set[str]) -> str:
    """`name`; where another has it already with the path's words, and then the verb before it."""
    longer = "_".join([name, *re.findall(r"\w+", path)])
    ways = chain((name, longer, f"{verb}_{longer}"), (f"{longer}_{n}" for n in count(2)))
    found = next(each for each in ways if each not in names)
    names.add(found)
    return found


def _taken(signature: Signature) -> list[Any]:
    return [
        each.type
        for each in signature.all_parameters()
        if each.source in ("path", "query", "header", "cookie", "form", "body")
    ]


def _is_object(returns: Any) -> bool:
    return returns not in (None, type(None), bytes, AsyncIterator)


def _operation(
    name: str, signature: Signature, described: Operation | None, schemas: _Schemas
) -> dict[str, Any]:
    text = inspect.getdoc(signature.function) or ""
    first, _, rest = text.partition("\n")
    found: dict[str, Any] = {"operationId": name}
    summary = (described.summary if described is not None else None) or first
    if summary:
        found["summary"] = summary
    if rest.strip():
        found["description"] = rest.strip()
    if described is not None:
        if described.tags:
            found["tags"] = list(described.tags)
        if described.deprecated:
            found["deprecated"] = True
    parameters = _parameters(signature, schemas)
    if parameters:
        found["parameters"] = parameters
    body = _request_body(signature, schemas)
    if body is not None:
        if described is not None and described.examples:
            for content in body["content"].values():
                content["examples"] = {
                    name: {"value": codec.to_builtins(value)}
                    for name, value in described.examples.items()
                }
        found["requestBody"] = body
    found["responses"] = _responses(signature, schemas)
    security = _security(signature)
    if security:
        found["security"] = security
    return found


def _security(signature: Signature) -> list[dict[str, list[str]]]:
    """Alternatives, each of which is all that it names."""
    given = [each for each in signature.all_parameters() if each.scheme is not None]
    names = {each: each.scheme.describe()[0] for each in given if each.scheme is not None}
    needed: dict[str, list[str]] = {names[each]: [] for each in given if each.required}
    optional = [names[each] for each in given if not each.required]
    return [*({**needed, name: []} for name in optional), needed] if given else []


def _parameters(signature: Signature, schemas: _Schemas) -> list[dict[str, Any]]:
    """One entry for each name in a source; what functions take as different types has to be all
    of them."""
    found: dict[tuple[str, str], tuple[dict[str, Any], list[Any]]] = {}
    for each in signature.all_parameters():
        if each.source not in ("path", "query", "header", "cookie"):
            continue
        name = each.alias.lower() if each.source == "header" else each.alias
        entry, every = found.setdefault((each.source, name), (
            {"name": each.alias, "in": each.source, "required": False}, []
        ))  # fmt: skip
        entry["required"] = entry["required"] or each.required
        schema = schemas.of(each.type)
        if not each.required and each.default is not None:
            schema["default"] = codec.to_builtins(each.default)
        if schema not in every:
            every.append(schema)
    return [
        {**entry, "schema": every[0] if len(every) == 1 else {"allOf": every}}
        for entry, every in found.values()
    ]


def _request_body(signature: Signature, schemas: _Schemas) -> dict[str, Any] | None:
    body = signature.body
    raw: dict[str, Any] = {"content": {"application/octet-stream": {}}}
    if body is not None and _is_raw(signature):
        return {"required": body.required, **raw}
    if body is not None:
        schema = schemas.of(body.type)
        content = {kind: {"schema": schema} for kind in (codec.JSON, codec.MSGPACK)}
        return {"required": body.required, "content": content}
    parameters = signature.all_parameters()
    if any(each.source == "stream" for each in parameters):
        return raw
    if any(each.source == "parts" for each in parameters):
        form = {"type": "object", **_NAMED}
        return {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    fields = [each for each in parameters if each.source in ("form", "file")]
    if not fields:
        return None
    files = any(each.source == "file" for each in fields)
    kinds = ["multipart/form-data"]
    if not files:
        kinds.insert(0, "application/x-www-form-urlencoded")
    schema = {
        "type": "object",
        "properties": {each.alias: _field(each, schemas) for each in fields},
        "required": [each.alias for each in fields if each.required],
        **_NAMED,
    }
    return {
        "required": any(each.required for each in fields),
        "content": {kind: {"schema": schema} for kind in kinds},
    }


def _is_raw(signature: Signature) -> bool:
    return signature.body is not None and signature.body.type is bytes


def _field(parameter: Parameter, schemas: _Schemas) -> dict[str, Any]:
    if parameter.source != "file":
        return schemas.of(parameter.type)
    one = {"type": "string", "contentMediaType": "application/octet-stream"}
    return {"type": "array", "items": one} if parameter.many else one


def _responses(signature: Signature, schemas: _Schemas) -> dict[str, Any]:
    good: dict[str, Any] = {"description": signature.description or "the answer"}
    if _is_object(signature.returns):
        schema = schemas.of(signature.returns, "serialization")
        good["content"] = {kind: {"schema": schema} for kind in (codec.JSON, codec.MSGPACK)}
    elif signature.returns in (bytes, AsyncIterator):
        good["content"] = {media_type_of(signature.returns, signature.streamed): {}}
    found = {str(signature.status): good}
    if signature.status == 200 and codec.may_be_nothing(signature.returns):
        found["204"] = {"description": "nothing"}
    parameters = signature.all_parameters()
    sources = {each.source for each in parameters}
    failures = {
        "400": bool(sources & {"body", "query", "form", "file", "parts", "stream"}),
        "401": "security" in sources,
        "406": _is_object(signature.returns),
        "413": bool(sources & {"body", "form", "file", "parts", "stream"}),
        "415": bool(sources & {"body", "form", "file", "parts"}) and not _is_raw(signature),
        "422": bool(sources - {"security", "depends", *OBJECTS} or "parts" in sources),
    }
    attributes = getattr(signature.function, "__dict__", {})
    failures["404"] = bool(signature.path_names)  # also of a part that the path's type refuses
    failures["503"] = attributes.get("_request_timeout") is not None
    failures |= {str(status): True for status in attributes.get("_raised_statuses", ())}
    problem = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name=schemas.problem)}}}
    for status, possible in sorted(failures.items()):
        if possible:
            described = {"description": responses.get(int(status), "a problem")}
            found[status] = {**described, "content": problem}
    return found
