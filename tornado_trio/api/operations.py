"""One request through one typed method: values from the request, dependencies, the call.

Knows signatures and the `Taker`s of their values. A signature becomes a `Plan` when its route is
made: which functions are called, in which order, and with what. All their parameters are read
before anything is opened or refused, so that the response names every fault.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from .._util.mistakes import name_of
from ..exchange import READY
from .gaps import fill, may_have_gaps
from .problems import Fault, Problem
from .responses import media_type_of, negotiated, send, wants_value
from .results import can_be_checked, check_result
from .signatures import MISSING, Parameter, Signature, signature_of
from .takers import OBJECTS, Taker, check_form, form_types, take_body, take_credentials

if TYPE_CHECKING:
    from ..web.handler import RequestHandler

__all__ = ["Overrides", "Plan"]

#: Dependency -> its replacement, in tests.
Overrides = Mapping[Callable[..., Any], Callable[..., Any]]


class Plan:
    """A typed method, ready to be called for requests."""

    __slots__ = ("_accepted", "_checks", "_gaps", "_looks", "_media_type", "_negotiates", "_plain",
                 "_root", "_signature", "_status", "_steps", "_streamed", "_wants")  # fmt: skip

    def __init__(self, signature: Signature, overrides: Overrides | None = None) -> None:
        steps: dict[Callable[..., Any], _Step] = {}
        self._signature = signature
        self._status = signature.status
        self._root = _Step(signature, steps, overrides or {}, signature.path_names)
        # Dependencies before those that need them.
        self._steps = [*steps.values(), self._root]
        parameters = [each for step in self._steps for each in step.parameters]
        sources = {each.source for each in parameters}
        self._accepted = form_types(sources)
        self._streamed = "parts" in sources
        self._media_type = media_type_of(signature.returns, signature.streamed)
        self._negotiates = signature.negotiates
        self._gaps = self._negotiates and may_have_gaps(signature.returns)
        # Most results are sent as they are.
        self._looks = self._gaps
        self._checks = False
        self._wants = wants_value(signature.returns)
        # Most methods: values of the request, and nothing to open.
        self._plain = len(self._steps) == 1 and sources <= _VALUES

    async def run(
        self, handler: RequestHandler, path: dict[str, Any], overrides: Overrides | None
    ) -> None:
        """Call the method and send what it returns.

        Cancellation: dependencies are closed with the cancellation, in reverse order.
        """
        if overrides:
            other = Plan(self._signature, overrides)
            if self._checks:
                other.check_results()
            await other.run(handler, path, None)
            return
        media_type = self._media_type
        if self._negotiates:
            accept = handler.request.headers.get("Accept")
            if accept is not None:
                media_type = negotiated(accept)
        root = self._root
        if self._plain:
            faults: list[Fault] = []
            arguments = root.take(handler, path, faults)
            if faults:
                raise Problem(422, _MISFIT, errors=faults)
            result = root.function(handler, **arguments) if root.is_method else (
                root.function(**arguments)
            )  # fmt: skip
            if type(result) is CoroutineType:
                result = await result
            elif inspect.isawaitable(result):
                result = await result
        else:
            given = self._take_all(handler, path)
            async with AsyncExitStack() as stack:
                arguments = await self._open(handler, given, stack)
                result = root.function(*((handler,) if root.is_method else ()), **arguments)
                if inspect.isawaitable(result):
                    result = await result
                if hasattr(result, "__anext__"):
                    # What it sends may need what is open.
                    await send(handler, result, self._status, media_type)
                    return
        if handler._finished or (result is None and handler._write_buffer):
            return  # it wrote its answer itself
        if result is None and self._wants and handler._status_code == 200:
            name = root.function.__qualname__
            raise TypeError(
                f"{name} returned None, and promises {name_of(self._signature.returns)}: a "
                "`return` is missing, or `| None` in its annotation"
            )
        if self._looks:
            self._look(handler, result)
        sent = send(handler, result, self._status, media_type)
        if sent is not READY:
            await sent

    def check_results(self) -> None:
        """Compare results with the annotation, in applications that have the setting `debug`."""
        self._checks = can_be_checked(self._signature.returns)
        self._looks = self._gaps or self._checks

    def _look(self, handler: RequestHandler, result: Any) -> None:
        if self._gaps:
            fill(result)
        # A class may be in the tables of several applications.
        if self._checks and handler.application.settings.get("debug"):
            check_result(self._signature, result)

    def _take_all(self, handler: RequestHandler, path: dict[str, Any]) -> list[dict[str, Any]]:
        """What each function is given of the request. Raises Problem: 401, 415, 400 or 422."""
        credentials = [
            {each.name: take_credentials(each, handler) for each in step.credentials}
            for step in self._steps
        ]
        if self._accepted is not None:
            check_form(handler, self._accepted, self._streamed)
        faults: list[Fault] = []
        given = [step.take(handler, path, faults) for step in self._steps]
        if faults:
            raise Problem(422, _MISFIT, errors=faults)
        for arguments, more in zip(given, credentials, strict=True):
            arguments.update(more)
        return given

    async def _open(
        self, handler: RequestHandler, given: list[dict[str, Any]], stack: AsyncExitStack
    ) -> dict[str, Any]:
        """Call one dependency after the other; what the method is called with."""
        results: dict[_Step, Any] = {}
        for step, arguments in zip(self._steps, given, strict=True):
            for name, needed in step.needs:
                arguments[name] = results[needed]
            if step is self._root:
                break
            result = step.function(**arguments)
            if isinstance(result, AbstractAsyncContextManager):
                result = await stack.enter_async_context(result)
            elif step.enters:
                result = stack.enter_context(result)
            elif inspect.isawaitable(result):
                result = await result
            results[step] = result
        return arguments

    # --- for what is called by others, such as the function of a websocket --------------------

    @property
    def opens(self) -> bool:
        """Whether anything is called or refused before the function, beside reading values."""
        return not self._plain

    def take(self, handler: RequestHandler, path: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a function that `opens` nothing. Raises Problem: 422."""
        return self._take_all(handler, path)[-1]

    async def prepare(
        self,
        handler: RequestHandler,
        path: dict[str, Any],
        overrides: Overrides | None,
        stack: AsyncExitStack,
    ) -> dict[str, Any]:
        """The arguments of the function; what its dependencies opened is in `stack`.

        Raises what they raise; Problem: 401 or 422.
        """
        if overrides:
            return await Plan(self._signature, overrides).prepare(handler, path, None, stack)
        return await self._open(handler, self._take_all(handler, path), stack)


_MISFIT = "the request does not fit"
_TEXTS = frozenset({"path", "query", "header", "cookie", "form", "file"})
_VALUES = frozenset({"path", "query", "header", "cookie", "body", *OBJECTS}) - {"parts"}


class _Step:
    """One function to be called, and where its arguments come from."""

    __slots__ = ("_body", "_objects", "_takers", "credentials", "enters", "function",
                 "is_method", "needs", "parameters")  # fmt: skip

    def __init__(
        self,
        signature: Signature,
        steps: dict[Callable[..., Any], _Step],
        overrides: Overrides,
        path_names: frozenset[str],
    ) -> None:
        """Puts the steps that this one needs into `steps`."""
        self.function = signature.function
        self.enters = False
        self.is_method = signature.is_method
        self.parameters = signature.parameters
        takers = [Taker(each) for each in signature.parameters if each.source in _TEXTS]
        self._takers = [(each.name, each.read, each.exact, each.default, each) for each in takers]
        self._body = next((each for each in signature.parameters if each.source == "body"), None)
        self._objects = [
            (each.name, OBJECTS[each.source])
            for each in signature.parameters
            if each.source in OBJECTS
        ]
        self.credentials = [each for each in signature.parameters if each.source == "security"]
        self.needs = [
            (each.name, _needed(each, steps, overrides, path_names))
            for each in signature.parameters
            if each.signature is not None
        ]

    def take(
        self, handler: RequestHandler, path: dict[str, Any], faults: list[Fault]
    ) -> dict[str, Any]:
        """The arguments from the request; their faults are added to `faults`."""
        found = {}
        for name, read, exact, default, taker in self._takers:
            raw = read(handler, path)
            if type(raw) is exact:
                found[name] = raw
            elif raw is None and default is not MISSING:
                found[name] = default
            else:
                found[name] = taker.convert(raw, faults)
        if self._body is not None:
            found[self._body.name] = take_body(self._body, handler, faults)
        for name, get in self._objects:
            found[name] = get(handler)
        return found


def _opening(function: Callable[..., Any]) -> tuple[Callable[..., Any], bool]:
    """What is called for a dependency, and whether that makes a context manager to be entered
    without awaiting. A generator with one `yield` is as good as the context manager of it."""
    if inspect.isasyncgenfunction(function):
        return asynccontextmanager(function), False
    if inspect.isgeneratorfunction(function):
        return contextmanager(function), True
    return function, inspect.isgeneratorfunction(inspect.unwrap(function))


def _needed(
    parameter: Parameter,
    steps: dict[Callable[..., Any], _Step],
    overrides: Overrides,
    path_names: frozenset[str],
) -> _Step:
    signature = parameter.signature
    assert signature is not None
    replacement = overrides.get(signature.function)
    if replacement is not None:
        # It may need what it replaces.
        overrides = {key: each for key, each in overrides.items() if key != signature.function}
        signature = signature_of(replacement, path_names, is_dependency=True)
    if signature.function not in steps:
        # Its own needs come first.
        step = _Step(signature, steps, overrides, path_names)
        step.function, step.enters = _opening(signature.function)
        steps[signature.function] = step
    return steps[signature.function]
