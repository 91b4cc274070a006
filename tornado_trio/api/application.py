"""`api.Application`: a table of routes with decorators, an OpenAPI document and its page.

Knows web applications; adds nothing to a request but what its route needs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from .. import web
from ..web.calls import Call, Middleware, Next, check_middleware, put_around
from ..web.path_templates import CONVERTERS, odd_part, path_matcher
from ..web.rules import RuleLike
from .handlers import FunctionHandler, Handler, State, TypedMethods, names_in
from .marks import SignatureError
from .problems import Problem
from .security import Scheme
from .sockets import socket_of

__all__ = ["Application", "Operation", "Router"]

F = TypeVar("F", bound=Callable[..., Any])

# What other frameworks let a decorator say, and where it is said here.
_SAID_HERE = {
    "dependencies": "parameters with Annotated[..., api.Depends(...)], or middleware=[...]",
    "description": "the docstring",
    "include_in_schema": "hidden=True",
    "methods": "a decorator for each method",
    "operation_id": "the function's name",
    "response_class": "the return annotation: -> api.Response[...]",
    "response_description": "-> Annotated[..., api.Status(200, 'description')]",
    "response_model": "the return annotation",
    "responses": "@api.raises(404), and the return annotation",
    "status_code": "the return annotation: -> Annotated[..., api.Status(201)]",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What the OpenAPI document says about a method beyond its signature."""

    tags: tuple[str, ...] = ()
    summary: str | None = None
    deprecated: bool = False
    hidden: bool = False
    examples: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.tags, str):
            raise TypeError(f"tags is a list: [{self.tags!r}]")


class Described(TypedDict, total=False):
    """The fields of `Operation`, as arguments of a decorator."""

    tags: Iterable[str]
    summary: str | None
    deprecated: bool
    hidden: bool
    examples: dict[str, Any]


def _operation(verb: str, described: Described) -> Operation:
    """TypeError for an argument that no decorator has, with where it is said instead."""
    unknown = described.keys() - Described.__annotations__.keys()
    if unknown:
        name = min(unknown)
        remedy = _SAID_HERE.get(name, f"one of {', '.join(Described.__annotations__)}")
        raise TypeError(f"{verb}() has no argument {name!r}; here it is {remedy}")
    tags = described.get("tags", ())
    if not isinstance(tags, str):  # which is an error of Operation's
        tags = tuple(tags)
    return Operation(**{**described, "tags": tags})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Route:
    path: str
    verb: str
    function: Callable[..., Any]
    name: str | None
    operation: Operation
    middleware: tuple[Middleware, ...] = ()


class _Routes:
    """Decorators that add functions to a table; `Router` and `Application` have them."""

    #: Whether "" is a path: that of a prefix which is to come.
    _may_be_empty = False

    def _add(self, route: _Route) -> None:
        raise NotImplementedError

    def _decorate(
        self,
        verb: str,
        path: str,
        name: str | None,
        middleware: Iterable[Middleware],
        described: Described,
    ) -> Callable[[F], F]:
        if path or not self._may_be_empty:
            check_path(path)
        operation = _operation(verb, described)
        around = tuple(middleware)

        def decorate(function: F) -> F:
            if not callable(function) or isinstance(function, type):
                raise TypeError(f"{path!r} is answered by a function, not by {function!r}")
            self._add(_Route(path, verb, function, name, operation, around))
            if inspect.isfunction(function):
                function._has_route = True  # type: ignore[attr-defined]
            return function

        return decorate

    def get(
        self,
        path: str,
        *,
        name: str | None = None,
        middleware: Iterable[Middleware] = (),
        **described: Unpack[Described],
    ) -> Callable[[F], F]:
        """Answer GET (and HEAD) of `path` with the decorated function.

        `path` may have parts: "/orders/{id:int}" (see `web.path_templates`). `name` serves
        `reverse_url`; `middleware` runs around this method of the path (see `web.calls`);
        `described` are fields of `Operation`.
        """
        return self._decorate("get", path, name, middleware, described)

    def post(
        self,
        path: str,
        *,
        name: str | None = None,
        middleware: Iterable[Middleware] = (),
        **described: Unpack[Described],
    ) -> Callable[[F], F]:
        """Answer POST of `path`; as `get`."""
        return self._decorate("post", path, name, middleware, described)

    def put(
        self,
        path: str,
        *,
        name: str | None = None,
        middleware: Iterable[Middleware] = (),
        **described: Unpack[Described],
    ) -> Callable[[F], F]:
        """Answer PUT of `path`; as `get`."""
        return self._decorate("put", path, name, middleware, described)

    def patch(
        self,
        path: str,
        *,
        name: str | None = None,
        middleware: Iterable[Middleware] = (),
        **described: Unpack[Described],
    ) -> Callable[[F], F]:
        """Answer PATCH of `path`; as `get`."""
        return self._decorate("patch", path, name, middleware, described)

    def delete(
        self,
        path: str,
        *,
        name: str | None = None,
        middleware: Iterable[Middleware] = (),
        **described: Unpack[Described],
    ) -> Callable[[F], F]:
        """Answer DELETE of `path`; as `get`."""
        return self._decorate("delete", path, name, middleware, described)

    def websocket(
        self, path: str, *, name: str | None = None, middleware: Iterable[Middleware] = ()
    ) -> Callable[[F], F]:
        """Have the decorated function hold the conversations of websockets at `path`.

        ```python
        @app.websocket("/rooms/{room}")
        async def talk(peer: api.Conversation[str, str], room: str) -> None:
            async for said in peer:
                await peer.send(f"{room}: {said}")
        ```

        Its first parameter is an `api.Conversation` or a plain `WebSocket`, whose `request` it was
        opened with; the others are those of an HTTP function without a body: parts of the path,
        query, headers, cookies, credentials, dependencies. They are taken before the handshake is
        answered: a value that does not fit is 422, and what dependencies open is closed after the
        conversation. SignatureError for another signature.
        """
        if path or not self._may_be_empty:
            check_path(path)
        around = tuple(middleware)

        def decorate(function: F) -> F:
            cls = socket_of(function, _names_of(path))
            self._add(_Route(path, "websocket", cls, name, Operation(), around))
            return function

        return decorate


class Router(_Routes):
    """Routes that are added under a prefix later: `app.include(router, "/v1")`.

    The path "" is the prefix itself.
    """

    _may_be_empty = True

    def __init__(self, *, tags: Iterable[str] = (), middleware: Iterable[Middleware] = ()) -> None:
        self.tags = tuple(tags)
        self.middleware = tuple(middleware)
        self.routes: list[_Route] = []

    def _add(self, route: _Route) -> None:
        self.routes.append(route)

    def include(self, router: Router, prefix: str = "") -> None:
        """Add the routes of another router, their paths after `prefix`."""
        for route in router.routes:
            self.routes.append(_under(prefix, router, route))


def check_path(path: str) -> None:
    """ValueError for a path that does not begin with "/", or has a part that would be taken for
    text; TypeError for none."""
    if not isinstance(path, str):
        raise TypeError(f"a path is text, as in @app.get('/things'), not {path!r}")
    if not path.startswith("/"):
        raise ValueError(f"the path {path!r} does not begin with '/'")
    odd = odd_part(path)
    if odd is not None:
        kinds = ", ".join(CONVERTERS)
        raise ValueError(
            f"the path {path!r}: {odd!r} is no part; write {{name}}, or {{name:int}} ({kinds})"
        )


def _under(prefix: str, router: Router, route: _Route) -> _Route:
    if prefix:
        check_path(prefix)
        if prefix.endswith("/"):
            raise ValueError(f"the prefix {prefix!r} ends with '/', with which paths begin")
    tags = (*route.operation.tags, *router.tags)
    described = route.operation
    operation = Operation(
        tags, described.summary, described.deprecated, described.hidden, described.examples
    )
    around = (*router.middleware, *route.middleware)
    return _Route(prefix + route.path, route.verb, route.function, route.name, operation, around)


def _only_for(verb: str, middleware: Middleware) -> Middleware:
    """Of the methods of a path, around one."""
    methods = ("GET", "HEAD") if verb == "get" else (verb.upper(),)

    async def selected(call: Call, next: Next) -> None:
        if call.request.method in methods:
            await middleware(call, next)
        else:
            await next(call)

    return selected


class _NotFound(Handler[Any]):
    """Every path that no route has."""

    SUPPORTED_METHODS = web.RequestHandler.SUPPORTED_METHODS

    def prepare(self) -> None:
        raise Problem(404)


class _Failed(TypedMethods, web.ErrorHandler):
    """What middleware, routers and functions let through."""


class Application(_Routes, web.Application, Generic[State]):
    """A `web.Application` whose routes may be decorated functions.

    Args:
        handlers: rules as for `web.Application`; subclasses of `api.Handler` are documented too.
        title, version, description: of the OpenAPI document.
        openapi_path: path of the document, None for none; `docs_path`: of its page.
        state: data shared between requests, `self.app.state` in handlers.
        settings: as for `web.Application`.

    Raises SignatureError for a method whose signature is invalid.
    """

    _error_handler_class = _Failed

    def __init__(
        self,
        handlers: Iterable[RuleLike] | None = None,
        *,
        title: str = "Service",
        version: str = "0.1.0",
        description: str = "",
        openapi_path: str | None = "/openapi.json",
        docs_path: str | None = "/docs",
        state: State | None = None,
        **settings: Any,
    ) -> None:
        self.title = title
        self.version = version
        self.description = description
        self.openapi_path = openapi_path
        #: Dependency -> its replacement. See `overriding`.
        self.dependency_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
        self.described: dict[tuple[str, str], Operation] = {}
        self._functions: dict[str, type[FunctionHandler]] = {}
        self._document: bytes | None = None
        self._state = state
        settings.setdefault("default_handler_class", _NotFound)
        super().__init__(handlers, **settings)
        if openapi_path is not None:
            check_path(openapi_path)
            from .pages import DocsPage, Document

            self.add(openapi_path, Document)
            if docs_path is not None:
                check_path(docs_path)
                self.add(docs_path, DocsPage)

    @property
    def state(self) -> State:
        """What was given as `state`. RuntimeError if nothing was."""
        if self._state is None:
            raise RuntimeError("the application was made without state: Application(state=...)")
        return self._state

    def add(
        self,
        path: str,
        handler: type[web.RequestHandler],
        name: str | None = None,
        *,
        middleware: Sequence[Middleware] = (),
    ) -> None:
        """Append a rule for a handler class."""
        rule = web.URLSpec(path, handler, None, name, middleware=middleware)
        self.wildcard_router.add_rules([rule])
        self._document = None

    def include(self, router: Router, prefix: str = "") -> None:
        """Add the routes of `router`, their paths after `prefix`."""
        for route in router.routes:
            self._add(_under(prefix, router, route))

    def _add_socket(self, route: _Route, *, taken: bool) -> None:
        if taken:
            raise SignatureError(f"{route.path!r} has methods: a websocket needs another path")
        handler: Any = route.function
        self.add(route.path, handler, route.name, middleware=route.middleware)

    def _add(self, route: _Route) -> None:
        check_path(route.path)
        cls = self._functions.get(route.path)
        if route.verb == "websocket":
            self._add_socket(route, taken=cls is not None)
            return
        where = f"{route.verb.upper()} {route.path}"
        around = [_only_for(route.verb, each) for each in check_middleware(route.middleware, where)]
        names = _names_of(route.path)
        debug = bool(self.settings.get("debug"))
        if cls is None:
            title = route.function.__name__
            members: dict[str, Any] = {"functions": {}, "typed_methods": {}, "_plans": {}}
            cls = type(title, (FunctionHandler,), members)
            cls.__module__ = route.function.__module__
            cls.add_function(route.verb, route.function, names, debug=debug)
            self._functions[route.path] = cls
            self.add(route.path, cls, route.name)
        else:
            cls.add_function(route.verb, route.function, names, debug=debug)
        if around:
            rules = self.wildcard_router.rules
            # From the end, where a path just added is.
            rule = next(each for each in reversed(rules) if _handler_of(each) is cls)
            put_around(self.wildcard_router, rule, around)
        self.described[route.path, route.verb] = route.operation
        self._document = None

    @contextmanager
    def overriding(
        self, function: Callable[..., Any], replacement: Callable[..., Any]
    ) -> Iterator[None]:
        """Use `replacement`, which takes no arguments, instead of a dependency; for tests."""
        before = dict(self.dependency_overrides)
        self.dependency_overrides[function] = replacement
        try:
            yield
        finally:
            self.dependency_overrides = before

    # --- the document -------------------------------------------------------------------------

    def operations(self) -> Iterator[tuple[str, str, type[TypedMethods]]]:
        """Path, verb and handler of each typed method, in the order of the table."""
        for rule in self.wildcard_router.rules:
            target = _handler_of(rule)
            if isinstance(target, type) and issubclass(target, TypedMethods):
                path = getattr(rule.matcher, "template", None) or _readable(rule.matcher)
                for verb in target.typed_methods:
                    yield path, verb, target

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document, as JSON values."""
        from .openapi import document

        return document(self)

    def schemes(self) -> Iterator[Scheme]:
        """The security schemes of all methods."""
        for _, verb, target in self.operations():
            for each in target.typed_methods[verb].all_parameters():
                if each.scheme is not None:
                    yield each.scheme


def _handler_of(rule: Any) -> Any:
    return getattr(rule.target, "target", rule.target)  # within middleware


def _names_of(path: str) -> frozenset[str]:
    return names_in(path_matcher(path).regex, repr(path))


def _readable(matcher: Any) -> str:
    """A path expression as a template: its named groups in braces."""
    try:
        names = matcher.regex.groupindex
        template, count = matcher._path, matcher._group_count
    except AttributeError:
        return "/"
    if template is None or len(names) != count:
        return str(matcher.regex.pattern)
    return str(template % tuple("{" + name + "}" for name in names))
