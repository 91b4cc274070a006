"""Handlers with typed methods: the program's classes, and one made of decorated functions.

Knows the web framework's hooks: a rule is checked when it is added, errors are written as
problem documents.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from ..web.handler import RequestHandler
from .operations import Plan
from .problems import MEDIA_TYPE, document
from .signatures import Signature, SignatureError, signature_of

if TYPE_CHECKING:
    # With a default, which needs Python 3.13: `api.Handler` is as good as `api.Handler[Any]`.
    from typing_extensions import TypeVar

    from ..web.forms import FormLimits
    from ..web.rules import Rule
    from .application import Application

    State = TypeVar("State", default=Any)
else:
    from typing import TypeVar

    State = TypeVar("State")

__all__ = ["BODIES", "FunctionHandler", "Handler", "State", "TypedMethods", "VERBS", "names_in"]

VERBS = ("get", "post", "put", "patch", "delete")


class TypedMethods:
    """Makes the methods of a `RequestHandler` typed: mix it in before the handler class.

    class Orders(api.TypedMethods, tornado.web.RequestHandler): ...
    """

    #: Verb -> its signature.
    typed_methods: ClassVar[dict[str, Signature]] = {}

    _plans: ClassVar[dict[str, Plan]] = {}

    #: Bounds on forms that a method takes part by part (`web.FormParts`).
    form_limits: ClassVar[FormLimits | None] = None

    request: Any
    settings: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for verb in VERBS:
            method = cls.__dict__.get(verb)
            if callable(method) and not hasattr(method, "__typed_method__"):
                setattr(cls, verb, _typed(verb, method))

    @classmethod
    def _take_rule(cls, rule: Rule, settings: Mapping[str, Any]) -> None:
        """A rule leads here: its path has the names that parameters may have."""
        names = names_in(getattr(rule.matcher, "regex", None), repr(rule))
        known = cls.__dict__.get("typed_methods", {}).values()
        if any(signature.path_names != names for signature in known):
            raise SignatureError(
                f"{cls.__qualname__} is reached by paths with other names; make a subclass for each"
            )
        cls.typed_methods = {
            **{verb: signature_of(function, names, is_method=True)
               for verb, function in cls._written()},
        }  # fmt: skip
        cls._plans = {verb: Plan(signature) for verb, signature in cls.typed_methods.items()}
        if settings.get("debug"):
            for plan in cls._plans.values():
                plan.check_results()
        if any(signature.streams for signature in cls.typed_methods.values()):
            if any(s.body or not s.streams for s in cls.typed_methods.values() if _has_body(s)):
                raise SignatureError(
                    f"{cls.__qualname__} has a method that reads its body part by part and one "
                    "that takes it whole; make two classes"
                )
            cls._stream_request_body = True  # type: ignore[attr-defined]

    @classmethod
    def _written(cls) -> list[tuple[str, Callable[..., Any]]]:
        methods = ((verb, getattr(cls, verb, None)) for verb in VERBS)
        found = ((verb, getattr(method, "__typed_method__", None)) for verb, method in methods)
        return [(verb, function) for verb, function in found if function is not None]

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A problem document, whatever went wrong."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if status_code == 204 or status_code == 304:
            self.finish()  # type: ignore[attr-defined]
            return
        self.set_header("Content-Type", MEDIA_TYPE)  # type: ignore[attr-defined]
        self.finish(document(status_code, error))  # type: ignore[attr-defined]


#: The sources that are, or are in, a body.
BODIES = ("body", "form", "file", "parts", "stream")


def _has_body(signature: Signature) -> bool:
    return any(each.source in BODIES for each in signature.parameters)


def _typed(verb: str, function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, None]]:
    # Not `async def`: the plan's coroutine is what a caller awaits.
    @functools.wraps(function)
    def method(self: Any, **path: Any) -> Coroutine[Any, Any, None]:
        plan: Plan | None = self._plans.get(verb)
        if plan is None:
            raise SignatureError(f"{type(self).__qualname__} is reached by no rule of a table")
        overrides = getattr(self.application, "dependency_overrides", None)
        return plan.run(self, path, overrides)

    method.__typed_method__ = function  # type: ignore[attr-defined]
    return method


def names_in(regex: Any, where: str) -> frozenset[str]:
    """The names of the groups of a path. SignatureError for unnamed groups."""
    names = frozenset(getattr(regex, "groupindex", ()))
    if getattr(regex, "groups", 0) > len(names):
        raise SignatureError(
            f"{where}: the path's groups have no names; write (?P<id>...) or {{id}}"
        )
    return names


class Handler(TypedMethods, RequestHandler, Generic[State]):
    """A handler with typed methods: parameters by annotation, the return value is the answer.

    ```python
    class Orders(api.Handler[State]):
        async def get(self) -> list[Order]:
            return await self.app.state.orders()
    ```

    Errors are problem documents. Everything of `RequestHandler` is available: a method that writes
    its answer itself returns None.
    """

    @property
    def app(self) -> Application[State]:
        """The application, with its `state`."""
        app: Application[State] = self.application  # type: ignore[assignment]
        return app


class FunctionHandler(Handler[Any]):
    """The methods of one path that were given as functions."""

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}
    _path_names: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def _take_rule(cls, rule: Rule, settings: Mapping[str, Any]) -> None:
        """Each function is looked at when it is added (`add_function`)."""

    @classmethod
    def add_function(
        cls, verb: str, function: Callable[..., Any], names: frozenset[str], *, debug: bool = False
    ) -> None:
        """Answer `verb` with `function`, whose results are checked if `debug`.

        SignatureError if its signature is invalid, or the verb is taken.
        """
        if verb in cls.functions:
            raise SignatureError(f"{verb.upper()} of this path is answered twice: {function!r}")
        guard = getattr(function, "_of_a_handler", None)
        if guard is not None:
            raise SignatureError(
                f"@{guard} is of handlers' methods, and {function.__qualname__} is a function: "
                "take who asks as a parameter (api.Bearer, api.Basic, api.ApiKey, api.Depends)"
            )
        signature = signature_of(function, names)
        cls.functions[verb] = function
        cls.typed_methods[verb] = signature
        plan = cls._plans[verb] = Plan(signature)
        if debug:
            plan.check_results()
        cls._stream_request_body = cls._stream_request_body or signature.streams
        setattr(cls, verb, _typed(verb, function))
