"""`WebSocketHandler`: a route of an application that speaks WebSocket.

Knows handlers and the session. The handshake's rules are `wire.websocket`'s; here they meet
what a handler can do before it: `prepare`, users, cookies, the application's trusted origins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, ClassVar

from .._util.groups import consists_of
from ..errors import Disconnected
from ..exchange import READY
from ..log import app_log, gen_log
from ..websocket.options import WebSocketOptions
from ..websocket.running import run_session
from ..websocket.session import WebSocket
from ..wire.headers import HTTPHeaders
from ..wire.websocket import CloseCode, HandshakeError
from ..wire.websocket.upgrade import Agreement, agree, first_match
from .errors import HTTPError
from .handler import RequestHandler
from .security import refused_origin

__all__ = ["WebSocketHandler"]


class WebSocketHandler(RequestHandler):
    """Override `open`: it runs for as long as the connection is open.

    ```python
    class Echo(WebSocketHandler):
        async def open(self, ws):
            async for message in ws:
                await ws.send(message)
    ```

    Attributes:
        websocket_options: of the sessions; the setting of the same name unless overridden.
        subprotocols: those this handler speaks, the best first.
    """

    websocket_options: ClassVar[WebSocketOptions | None] = None
    subprotocols: Sequence[str] = ()

    @classmethod
    def _mistake(cls) -> str | None:
        if cls.open is not WebSocketHandler.open:
            return None
        return (
            "has no `async def open(self, ws)`, which a conversation runs in "
            "(on_message and write_message are of tornado.websocket, in the overlay)"
        )

    async def open(self, ws: WebSocket, *args: Any, **kwargs: Any) -> None:
        """The conversation, with the arguments of the route. Its end closes the connection.

        Cancellation: closes with code 1001 (going away).
        """
        raise NotImplementedError

    def check_origin(self, origin: str) -> bool:
        """Whether a page of `origin`, which is not this host's, may connect.

        By default if `check_trusted_origin` trusts it. Not called for pages of this host, which
        may, nor for clients that are no browsers and send no Origin.
        """
        return self.check_trusted_origin(origin)

    def select_subprotocol(self, offered: list[str]) -> str | None:
        """One of the subprotocols the client offers, or None."""
        return first_match(self.subprotocols)(offered)

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None]:
        """The handshake, then `open`."""
        options = self.websocket_options or self.settings.get("websocket_options")
        options = options or WebSocketOptions()
        agreement = self._agree(options)
        if agreement is None:
            return READY
        # Not awaited here: a frame for as long as the conversation lasts.
        return self._converse(agreement, options, args, kwargs)

    async def _converse(
        self,
        agreement: Agreement,
        options: WebSocketOptions,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """Accept the handshake and run `open`. Nothing has been sent yet."""
        self._accept(agreement)
        await self.finish()
        session = self._session(agreement, options)
        # What only the handshake needed: 0.5 KB for as long as the conversation lasts.
        del agreement
        self._headers = HTTPHeaders()
        async with session as ws:
            try:
                await self.open(ws, *args, **kwargs)
            except Exception as exc:
                # Now, and not when the peer has answered our close frame, if it ever does.
                self._log_open_failure(ws, exc)
                await ws.close(CloseCode.INTERNAL_ERROR)

    def _accept(self, agreement: Agreement) -> None:
        self.clear_header("Content-Type")
        self.set_status(101)
        for name, value in agreement.headers.items():
            self.set_header(name, value)

    def _session(self, agreement: Agreement, options: WebSocketOptions) -> run_session:
        exchange: Any = self.request.connection
        return run_session(
            self.detach(),
            agreement.protocol(options.max_message_size),
            options,
            subprotocol=agreement.subprotocol,
            request=self.request,
            nursery=exchange.nursery,
            host=exchange,
            timers=exchange.timers,
        )

    def _log_open_failure(self, ws: WebSocket, exc: Exception) -> None:
        """A peer that left is no error, also where it ended sends in a nursery."""
        if ws.closed and consists_of(exc, Disconnected):
            gen_log.debug("%s: the peer has gone: %r", self._request_summary(), exc)
            return
        try:
            self.log_exception(type(exc), exc, exc.__traceback__)
        except Exception:
            app_log.error("Error in exception logger", exc_info=True)

    def _agree(self, options: WebSocketOptions) -> Agreement | None:
        """Check the request. None: it was refused, and answered."""
        request = self.request
        refusal = refused_origin(self, self.check_origin)
        if refusal is not None:
            raise HTTPError(403, "Cross origin websockets not allowed: %s", refusal)
        try:
            return agree(
                str(request.method),
                request.version,
                request.headers,
                deflate=options.deflate,
                select_subprotocol=self.select_subprotocol,
            )
        except HandshakeError as error:
            self.set_status(error.status)
            for name, value in error.headers.items():
                self.set_header(name, value)
            self.finish(f"{error}\n")
            return None
