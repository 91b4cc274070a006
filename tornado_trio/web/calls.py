"""Middleware: what runs around the answering of a request.

```python
async def timed(call: Call, next: Next) -> None:
    began = trio.current_time()

    def stamp(response: Response) -> None:
        response.headers["Server-Timing"] = f"app;dur={1000 * (trio.current_time() - began)}"

    call.on_response(stamp)
    await next(call)

Application(rules, middleware=[timed])
```

Theory. A middleware is a coroutine around the rest. What it does to a response it does in a
function that is called when the head is about to be sent: by then the rest has decided on the
status and the fields, and nothing has left. So no message is carried through queues, no task is
made, back pressure and cancellation are those of a handler without middleware, and an answer that
comes after the handler has been cancelled (it timed out, the service stops) is seen as well.

Knows the exchange, and responders by their `respond`. Must not know handlers.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from .._util.late import later
from .._util.mistakes import name_of, takes
from ..escape import utf8
from ..exchange import READY, Exchange, ResponseStartLine
from ..wire.headers import HTTPHeaders
from .output import clear_representation_headers, has_no_body, reason_phrase
from .rules import ReversibleRouter, Router

if TYPE_CHECKING:
    import trio

    from ..exchange import Cause, DisconnectPolicy, RequestStartLine
    from .request import Request
    from .rules import Rule
else:
    trio = later("trio", globals())

__all__ = ["BodyFilter", "Call", "Middleware", "Next", "Response", "check_middleware", "put_around"]

#: Changes a body on its way: called with each piece, and whether it is the last (which may be
#: empty); returns what is sent instead.
BodyFilter: TypeAlias = Callable[[bytes, bool], bytes]

_PIECE = 64 * 1024


class Response:
    """The answer to a call. Until its head is about to be sent, `status` is 0.

    Attributes:
      status, headers: to be changed by functions given to `Call.on_response`.
      reason: the phrase beside the status; None for the usual one.
      error: the exception that this answers, if any.
      method: of the request.
    """

    __slots__ = ("_body", "_filters", "_replaced", "error", "headers", "method", "reason", "status")

    def __init__(self, method: str) -> None:
        self.method = method
        self.status = 0
        self.reason: str | None = None
        self.headers = HTTPHeaders()
        self.error: BaseException | None = None
        self._body: bytes | None = None
        self._filters: list[BodyFilter] = []
        self._replaced = False

    def _begin(self, status: int, reason: str, headers: HTTPHeaders, body: bytes | None) -> None:
        self.status, self.reason, self.headers = status, reason, headers
        self._body, self._filters, self._replaced = body, [], False

    @property
    def has_body(self) -> bool:
        """Whether body bytes follow: not after HEAD, 204, 304, or an upgrade."""
        return self.method != "HEAD" and not has_no_body(self.status)

    @property
    def body(self) -> bytes | None:
        """All of the body, where it is known already; None for one that is streamed.

        May be assigned in either case: the new body is sent instead.
        """
        return self._body

    @body.setter
    def body(self, body: bytes) -> None:
        self._body = body
        self._replaced = True

    def pipe(self, change: BodyFilter) -> None:
        """Pass the body through `change`. Removes the Content-Length of a streamed body."""
        self._filters.append(change)

    def vary(self, field: str) -> None:
        """Add a request field that the response depends on to Vary (RFC 9110 12.5.5)."""
        old = self.headers.get("Vary")
        if old is None:
            self.headers["Vary"] = field
        elif field.lower() not in {name.strip().lower() for name in old.split(",")} | {"*"}:
            if "*" not in old:
                self.headers["Vary"] = f"{old}, {field}"


class Call:
    """A request and its answer, as middleware sees them.

    Attributes:
      request: the request; its body may not have been read yet.
      route: the handler's class, or the function, that the table has for it.
      exchange: to which the answer is written.
      response: the answer.
      state: data that the middleware of one call share.
    """

    __slots__ = ("_hooks", "exchange", "request", "response", "route", "state")

    def __init__(self, request: Request, exchange: Exchange) -> None:
        self.request = request
        self.exchange: Exchange = CallExchange(exchange, self)
        self.response = Response(str(request.method))
        self.route: Any = None
        self.state: dict[Any, Any] = {}
        self._hooks: list[Callable[[Response], object]] = []

    def on_response(self, hook: Callable[[Response], object]) -> None:
        """Call `hook(response)` when the head is about to be sent; it must not wait.

        Hooks of inner middleware run first. One that raises is not called again for the error page
        that is sent instead.
        """
        self._hooks.append(hook)

    async def answer(
        self,
        status: int,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the request here. The rest does not run, if `next` is not called."""
        data = utf8(body)
        fields = HTTPHeaders(headers or {})
        if not has_no_body(status):
            fields["Content-Length"] = str(len(data))
            if data and "Content-Type" not in fields:
                fields["Content-Type"] = "text/plain; charset=UTF-8"
        line = ResponseStartLine("HTTP/1.1", status, reason_phrase(status, None))
        if self.request.method == "HEAD" or has_no_body(status):
            data = b""
        sent = self.exchange.write_headers(line, fields, data)
        self.exchange.finish()
        await sent

    def _run_hooks(self) -> None:
        hooks = self._hooks
        for index in range(len(hooks) - 1, -1, -1):
            try:
                hooks[index](self.response)
            except Exception:
                del hooks[index]
                raise


#: The rest: the middleware further in, and what answers. Returns the response.
Next: TypeAlias = Callable[[Call], Awaitable[Response]]
Middleware: TypeAlias = Callable[[Call, Next], Awaitable[object]]


def check_middleware(middleware: Sequence[Middleware], where: str) -> tuple[Middleware, ...]:
    """TypeError for what cannot be called as `async def f(call, next)`."""
    if callable(middleware):
        raise TypeError(f"{where}: middleware is a list, not {middleware!r}")
    for each in middleware:
        if isinstance(each, type) or not callable(each):
            raise TypeError(
                f"{where}: {each!r} is no middleware; that is an object to be called as "
                "`await middleware(call, next)`" + (": make one" if isinstance(each, type) else "")
            )
        if inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each):
            raise TypeError(f"{where}: {name_of(each)} has a yield: `await next(call)` instead")
        if not takes(each, 2):
            raise TypeError(f"{where}: {name_of(each)} is called with two arguments, call and next")
    return tuple(middleware)


def _handed_on(name: str) -> Any:
    def fetch(self: CallExchange) -> Any:
        return getattr(self._inner, name)

    def store(self: CallExchange, value: Any) -> None:
        setattr(self._inner, name, value)

    return property(fetch, store)


def _method(name: str) -> Any:
    def call(self: CallExchange, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._inner, name)(*args, **kwargs)

    call.__name__ = name
    return call


class CallExchange(Exchange):
    """An exchange whose response is shown to middleware before it is sent."""

    __slots__ = ("_inner", "call")

    start_line: RequestStartLine = _handed_on("start_line")
    headers: HTTPHeaders = _handed_on("headers")
    protocol: str = _handed_on("protocol")
    remote_ip: str = _handed_on("remote_ip")
    context: Any = _handed_on("context")
    on_disconnect: DisconnectPolicy = _handed_on("on_disconnect")
    gone: Exception | None = _handed_on("gone")
    finished: bool = _handed_on("finished")
    status: int = _handed_on("status")
    sent: int = _handed_on("sent")
    cause: Cause | None = _handed_on("cause")
    logged: bool = _handed_on("logged")
    trailers: HTTPHeaders | None = _handed_on("trailers")
    route: str | type | None = _handed_on("route")
    nursery = _handed_on("nursery")
    cancel_scope = _handed_on("cancel_scope")
    request_id = _handed_on("request_id")
    timers = _handed_on("timers")

    read_chunk = _method("read_chunk")
    read_body = _method("read_body")
    read_body_nowait = _method("read_body_nowait")
    set_max_body_size = _method("set_max_body_size")
    set_body_timeout = _method("set_body_timeout")
    send_informational = _method("send_informational")
    set_timeout = _method("set_timeout")
    set_error_responder = _method("set_error_responder")
    hold = _method("hold")
    release = _method("release")
    wait_finished = _method("wait_finished")
    set_close_callback = _method("set_close_callback")
    set_drain_callback = _method("set_drain_callback")
    set_wait_callback = _method("set_wait_callback")
    detach = _method("detach")
    continue_with = _method("continue_with")
    abort = _method("abort")
    describe = _method("describe")
    peer_certificate = _method("peer_certificate")
    more_follows = _method("more_follows")

    def __init__(self, inner: Exchange, call: Call) -> None:
        self._inner = inner
        self.call = call

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._inner!r}>"

    def note_error(self, error: BaseException) -> None:
        """Record that the coming response answers `error`."""
        self.call.response.error = error
        self._inner.note_error(error)

    def write_headers(
        self, start_line: ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Awaitable[None]:
        response = self.call.response
        response._begin(start_line.code, start_line.reason, headers, _whole(headers, chunk))
        self.call._run_hooks()
        status, headers = response.status, response.headers
        if has_no_body(status):
            if status != start_line.code:
                clear_representation_headers(headers)
                response._replaced, chunk = True, b""
        elif response.has_body:
            chunk = self._filter_first(response, chunk)
        elif response._filters or response._replaced:
            headers.pop("Content-Length", None)  # which only GET could tell
        reason = response.reason if status == start_line.code else None
        line = ResponseStartLine(start_line.version, status, reason_phrase(status, reason))
        return self._inner.write_headers(line, headers, chunk)

    def _filter_first(self, response: Response, chunk: bytes | None) -> bytes | None:
        body = response._body
        if body is not None:
            for change in response._filters:
                body = change(body, True)
            if response._filters or response._replaced:
                response.headers["Content-Length"] = str(len(body))
                response._replaced = True  # nothing that is written from here on is sent
            return body
        if response._filters:
            response.headers.pop("Content-Length", None)
            if chunk:
                chunk = self._through(chunk, False)
        return chunk

    def _through(self, chunk: bytes, last: bool) -> bytes:
        for change in self.call.response._filters:
            chunk = change(chunk, last)
        return chunk

    @property
    def _streams_changed(self) -> bool:
        response = self.call.response
        return bool(response._filters) and response.has_body

    def write(self, chunk: bytes) -> Awaitable[None]:
        if self.call.response._replaced:
            return READY
        if self._streams_changed:
            chunk = self._through(chunk, False)
        return self._inner.write(chunk)

    def finish(self, trailers: HTTPHeaders | None = None) -> Awaitable[None]:
        if self._streams_changed and not self.call.response._replaced and not self._inner.finished:
            rest = self._through(b"", True)
            if rest:
                self._inner.write(rest)
        return self._inner.finish(trailers)

    async def sendfile(self, file: Any, offset: int, count: int) -> None:
        if self.call.response._replaced:
            return
        plain = type(self._inner).sendfile is Exchange.sendfile
        if not self._streams_changed and not plain:
            await self._inner.sendfile(file, offset, count)
            return
        descriptor = file if isinstance(file, int) else file.fileno()
        os.lseek(descriptor, offset, os.SEEK_SET)
        while count > 0 and (piece := os.read(descriptor, min(count, _PIECE))):
            count -= len(piece)
            await self.write(piece)
            await trio.lowlevel.checkpoint()  # a client that is quick must not starve the others


def _whole(headers: HTTPHeaders, chunk: bytes | None) -> bytes | None:
    """`chunk`, if it is all of the body that the head announces."""
    length = headers.get("Content-Length")
    return chunk if chunk is not None and length == str(len(chunk)) else None


class Surrounded:
    """A responder with middleware around it."""

    __slots__ = ("_middleware", "_recover", "_request", "_responder")

    def __init__(
        self,
        request: Request,
        responder: Any,
        middleware: Sequence[Middleware],
        recover: Callable[[Request, Exception], bool] | None,
    ) -> None:
        """`recover` answers an exception that `responder` let through, or says False."""
        self._request = request
        self._responder = responder
        self._middleware = middleware
        self._recover = recover

    @property
    def handler_class(self) -> Any:
        """The route: a handler's class, the function, or the responder itself."""
        responder = self._responder
        found = getattr(responder, "handler_class", None)
        return found or getattr(responder, "function", responder)

    async def respond(self, exchange: Exchange) -> None:
        if isinstance(exchange, CallExchange):
            call = exchange.call  # of the middleware around this
        else:
            call = Call(self._request, exchange)
            self._request.connection = call.exchange
        call.route = self.handler_class
        await self._go_on(0, call)

    async def _go_on(self, index: int, call: Call) -> Response:
        middleware = self._middleware
        if index < len(middleware):
            await middleware[index](call, _once(partial(self._go_on, index + 1)))
            return call.response
        try:
            await self._responder.respond(call.exchange)
        except Exception as error:
            call.response.error = error
            if self._recover is None or not self._recover(self._request, error):
                raise
        return call.response


def _once(rest: Next) -> Next:
    called = False

    def next(call: Call) -> Awaitable[Response]:
        nonlocal called
        if called:
            raise RuntimeError("next() was called twice: a request is answered once")
        called = True
        return rest(call)

    return next


class SurroundedTarget(ReversibleRouter):
    """The target of a rule that has middleware of its own."""

    def __init__(self, router: Any, target: Any, middleware: Sequence[Middleware]) -> None:
        self.target = target
        self.middleware = middleware
        self._router = router

    def find_handler(self, request: Request, **kwargs: Any) -> Any:
        responder = self._router.get_target_delegate(self.target, request, **kwargs)
        if responder is None:
            return None
        recover = getattr(getattr(self._router, "application", None), "_recover", None)
        return Surrounded(request, responder, self.middleware, recover)

    def reverse_url(self, name: str, *args: Any) -> str | None:
        if isinstance(self.target, ReversibleRouter):
            return self.target.reverse_url(name, *args)
        return None


def put_around(router: Any, rule: Rule, middleware: Sequence[Middleware]) -> None:
    """Run more middleware around a rule of a table, within what it has."""
    if not isinstance(rule.target, SurroundedTarget):
        rule.target = SurroundedTarget(router, rule.target, ())
    rule.target.middleware = (*rule.target.middleware, *middleware)


class SurroundedRouter(Router):
    """Everything that an application routes to, with its middleware around it."""

    def __init__(
        self,
        find: Callable[..., Any],
        middleware: Sequence[Middleware],
        recover: Callable[[Request, Exception], bool],
    ) -> None:
        self._find = find
        self._middleware = middleware
        self._recover = recover

    def find_handler(self, request: Request, **kwargs: Any) -> Any:
        try:
            responder = self._find(request, **kwargs)
        except Exception as error:
            responder = _Failed(error)
        return Surrounded(request, responder, self._middleware, self._recover)


class _Failed:
    """In the place of the responder that could not be found."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def respond(self, exchange: Exchange) -> None:
        raise self._error
