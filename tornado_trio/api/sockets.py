"""Websockets whose messages are values: `api.Socket[In, Out]`.

Knows websocket handlers and the codec. Messages are JSON as text; a message that is not JSON closes
the session with 1007, one that does not fit the type with 1008 (RFC 6455 7.4.1). (No AsyncAPI
document is made: its tools expect a broker too, and would say little here.)
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from ..web.websocket import WebSocketHandler
from ..websocket import WebSocket
from ..websocket.options import WebSocketOptions
from ..wire.websocket.upgrade import Agreement
from . import codec
from .handlers import BODIES, TypedMethods
from .operations import Plan
from .signatures import SignatureError, check_whole, signature_of

__all__ = ["Conversation", "Socket"]

In = TypeVar("In")
Out = TypeVar("Out")

_MAX_REASON = 123  # bytes (RFC 6455 5.5)


def socket_of(function: Callable[..., Any], names: frozenset[str]) -> type[WebSocketHandler]:
    """A handler whose conversations `function` holds; `names` are the parts of its path.

    Raises SignatureError.
    """
    code = function.__code__
    where = f"{code.co_filename}:{code.co_firstlineno}: {function.__qualname__}"
    if not inspect.iscoroutinefunction(function):
        raise SignatureError(f"{where}: the function of a websocket is `async def`")
    parameters = list(inspect.signature(function).parameters)
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise SignatureError(f"{where}: {error}") from error
    first = hints.get(parameters[0]) if parameters else None
    origin = get_origin(first) or first

    async def run(self: Any, peer: Any, **arguments: Any) -> None:
        try:
            await function(peer, **arguments)
        except Exception as error:
            self._failure = error
            raise

    bases: tuple[Any, ...]
    if origin is Conversation:
        bases, method = (Socket[get_args(first) or (Any, Any)],), "talk"  # type: ignore[misc]
    elif origin is WebSocket:
        bases, method = (WebSocketHandler,), "open"
    else:
        raise SignatureError(
            f"{where}: its first parameter is an `api.Conversation[In, Out]` or a `WebSocket`"
        )
    signature = signature_of(function, names, is_method=True, is_dependency=True)
    body = next((each for each in signature.all_parameters() if each.source in BODIES), None)
    if body is not None:
        raise SignatureError(
            f"{where}: parameter {body.name!r} is of a body, which the request of a websocket has "
            "not; take it as a message"
        )
    check_whole(signature, where)
    signature.returns = None
    members = {
        method: run,
        "_plan": Plan(signature),
        "__module__": function.__module__,
        "__doc__": function.__doc__,
    }
    bases = (_FunctionSocket, *bases)
    return types.new_class(function.__name__, bases, exec_body=lambda space: space.update(members))


class _FunctionSocket(TypedMethods, WebSocketHandler):
    """Its function is called with values of the request that opened the conversation.

    They are read, and dependencies opened, after the rules of the handshake and before its answer,
    so that what does not fit is refused by a status.
    """

    _plan: ClassVar[Plan]
    #: What the function raised: logged by then, and what its dependencies are closed with.
    _failure: Exception | None = None

    def _converse(
        self,
        agreement: Agreement,
        options: WebSocketOptions,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Coroutine[Any, Any, None]:
        if self._plan.opens:
            return self._converse_within(agreement, options, kwargs)
        return super()._converse(agreement, options, args, self._plan.take(self, kwargs))

    async def _converse_within(
        self, agreement: Agreement, options: WebSocketOptions, path: dict[str, Any]
    ) -> None:
        overrides = getattr(self.application, "dependency_overrides", None)
        try:
            async with AsyncExitStack() as stack:
                arguments = await self._plan.prepare(self, path, overrides, stack)
                conversation = super()._converse(agreement, options, (), arguments)
                del agreement  # as there
                await conversation
                if self._failure is not None:
                    raise self._failure
        except Exception as error:
            # A dependency's nursery makes a group of it.
            failure = self._failure
            if isinstance(error, ExceptionGroup):
                if failure is None or error.split(lambda each: each is failure)[1] is not None:
                    raise
            elif error is not failure:
                raise


class Conversation(Generic[In, Out]):
    """A session of typed messages.

    Attributes:
      raw: the session that carries them.
    """

    def __init__(self, raw: WebSocket, received: Any) -> None:
        self.raw = raw
        self._received = received

    def __aiter__(self) -> Conversation[In, Out]:
        return self

    async def __anext__(self) -> In:
        """The next message. The end of the session, also by an invalid message, ends
        the iteration."""
        message = await self.raw.__anext__()
        data = message.encode() if isinstance(message, str) else message
        try:
            value: In = codec.decode(data, self._received, codec.JSON)
        except msgspec.ValidationError as error:
            await self._refuse(1008, str(error))
        except ValueError as error:
            invalid = isinstance(error, codec.ModelFaults)
            await self._refuse(1008 if invalid else 1007, str(error))
        else:
            return value
        raise StopAsyncIteration

    async def send(self, value: Out) -> None:
        """Send a value. Waits while the peer does not read; errors as for `WebSocket.send`."""
        await self.raw.send(codec.encode(value).decode())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the conversation."""
        await self.raw.close(code, reason)

    async def _refuse(self, code: int, reason: str) -> None:
        cut = reason.encode()[:_MAX_REASON].decode("utf-8", "ignore")
        await self.raw.close(code, cut)


class Socket(WebSocketHandler, Generic[In, Out]):
    """A handler of websockets with typed messages: override `talk`.

    ```python
    class Prices(api.Socket[Subscribe, Price]):
        async def talk(self, peer: api.Conversation[Subscribe, Price]) -> None:
            async for wanted in peer:
                await peer.send(await price_of(wanted.symbol))
    ```

    SignatureError, when the class is defined, for types that a JSON document cannot hold.
    """

    _received: ClassVar[Any] = Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, Socket):
                types = get_args(base)
                if any(isinstance(each, TypeVar) for each in types):
                    continue
                for each in types:
                    try:
                        codec.has_fields(each)
                    except TypeError as error:
                        raise SignatureError(f"{cls.__qualname__}: {error}") from error
                cls._received = types[0]

    @classmethod
    def _mistake(cls) -> str | None:
        if cls.talk is Socket.talk:
            return "has no `async def talk(self, peer)`, which a conversation runs in"
        return None

    async def talk(self, peer: Conversation[In, Out], *args: Any, **kwargs: Any) -> None:
        """The conversation, with the parts of the path. Its end closes the connection.

        Cancellation: closes with code 1001 (going away).
        """
        raise NotImplementedError

    async def open(self, ws: WebSocket, *args: Any, **kwargs: Any) -> None:
        await self.talk(Conversation(ws, self._received), *args, **kwargs)
