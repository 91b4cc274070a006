"""Responses other than text: JSON, files, downloads, events, early hints, streamed pages.

`AnswerMethods` provides them to `RequestHandler`; what they need is imported on first use.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import sys
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from .._util.late import later
from ..exchange import READY
from ..wire.headers import HTTPHeaders
from ..wire.parameters import type_of_file
from ..wire.server_events import ServerEvent

if TYPE_CHECKING:
    import datetime
    import json
    from collections.abc import Sequence

    from .events import EventSender
    from .request import Request
    from .transforms import OutputTransform
else:
    datetime = later("datetime", globals())
    json = later("json", globals())

__all__ = ["AnswerMethods", "encode_json"]

#: What `events` ends with when the service stops: clients may connect to another process.
GOODBYE = ServerEvent("", "drain")


def _is_of(value: object, module: str, name: str) -> bool:
    """Whether it is of a class of a module that few programs load: else there is no such value."""
    return isinstance(value, getattr(sys.modules.get(module), name, ()))


def _plain(value: Any) -> Any:
    """What JSON has no word for, as what it has."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if _is_of(value, "uuid", "UUID") or _is_of(value, "decimal", "Decimal"):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise TypeError(
        f"{type(value).__name__} is nothing that JSON has; the setting json_encoder may say how "
        "to write it"
    )


def encode_json(value: Any) -> str:
    """JSON of plain values, dataclasses, dates (ISO 8601), UUIDs, decimals and enums (as text or
    value) and sets. TypeError for others, ValueError for NaN, which JSON does not have."""
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)


class AnswerMethods:
    """Methods of `RequestHandler` that send something other than text."""

    request: Request
    settings: Any
    _headers: HTTPHeaders
    _transforms: Sequence[OutputTransform]

    if TYPE_CHECKING:  # RequestHandler's

        def set_header(self, name: str, value: Any) -> None: ...
        def clear_header(self, name: str) -> None: ...
        def set_status(self, status_code: int, reason: str | None = None) -> None: ...
        def write(self, chunk: str | bytes | dict[str, Any]) -> Any: ...
        def flush(self, include_footers: bool = False) -> Awaitable[None]: ...
        def finish(self, chunk: Any = None) -> Awaitable[None]: ...
        def _namespace(self, kwargs: dict[str, Any]) -> dict[str, Any]: ...

    def _encode_json(self, value: Any) -> str | bytes:
        encoder = self.settings.get("json_encoder") or encode_json
        text: str | bytes = encoder(value)
        return text

    def json(self, value: Any, status: int | None = None) -> Any:
        """Write `value` as JSON, with its Content-Type, and set the status if given.

        The setting `json_encoder` (a function that returns text or UTF-8, such as
        `msgspec.json.encode`) replaces `encode_json`. Unlike `write`, it accepts a list at the top
        level.
        """
        text = self._encode_json(value)
        if status is not None:
            self.set_status(status)
        self.set_header("Content-Type", "application/json")
        return self.write(text)

    def attachment(self, filename: str) -> None:
        """Make browsers save the response as `filename` (any Unicode name; RFC 6266).

        Sets the Content-Type by the file name extension, if it is a known one.
        """
        from .files import content_disposition

        self.set_header("Content-Disposition", content_disposition(filename))
        self.set_header("Content-Type", _type_of(filename))

    async def send_file(
        self,
        path: str | os.PathLike[str],
        *,
        root: str | os.PathLike[str] | None = None,
        attachment: str | None = None,
        content_type: str | None = None,
    ) -> None:
        """Send a file, with sendfile where possible; range requests are supported.

        Args:
            path: of the file; must not come from a client, unless `root` is given.
            root: a directory that the file has to be in; `path` is relative to it.
            attachment: the name to save it as; None: browsers display it.
            content_type: by default guessed from the file name extension.

        Handles If-None-Match, If-Modified-Since, If-Match, Range and If-Range, so that a download
        can be resumed. An Etag that is already set is used.

        Raises HTTPError 404 if there is no such file, 403 if it may not be read or is not in
        `root`, 412 if the client's precondition (If-Match) fails.
        Cancellation: the response is cut off.
        """
        from .files import send_file

        path = os.fspath(path)
        self.set_header("Content-Type", content_type or _type_of(path))
        if attachment is not None:
            from .files import content_disposition

            self.set_header("Content-Disposition", content_disposition(attachment))
        await send_file(self, path, None if root is None else os.fspath(root))

    def events(
        self,
        heartbeat: float | None = 15.0,
        *,
        retry: float | None = None,
        last: ServerEvent | None = GOODBYE,
    ) -> AbstractAsyncContextManager[EventSender]:
        """Send server-sent events for as long as the block runs.

        ```python
        async with self.events(heartbeat=15) as send:
            async for number, news in feed.after(send.last_id):
                await send(news, id=number)
        ```

        Args:
            heartbeat: seconds of silence after which a comment is sent, so that proxies keep the
                connection; None for never.
            retry: seconds after which a client may connect again; None leaves it to the client.
            last: sent when the service stops, after the block was cancelled where it waits; an
                event of type "drain" by default. None for none.

        The handler is cancelled when the client disconnects (`on_disconnect`). HEAD gets the
        headers only.
        """
        from .events import event_stream

        return event_stream(self, heartbeat, retry, last)

    def early_hints(self, *links: str) -> Awaitable[None]:
        """Send 103 with Link fields (RFC 8297), before the answer is ready.

        ```python
        self.early_hints("</style.css>; rel=preload; as=style")
        ```

        ValueError for an invalid field value. Nothing is sent to HTTP/1.0 clients.
        """
        headers = HTTPHeaders()
        for link in links:
            if not (link.isascii() and link.isprintable()):
                raise ValueError(f"a Link field is printable ASCII, not {link!r}")
            headers.add("Link", link)
        send = getattr(self.request.connection, "send_informational", None)
        if send is None:
            return READY
        sent: Awaitable[None] = send(103, "Early Hints", headers)
        return sent

    async def render_stream(self, template_name: str, **kwargs: Any) -> None:
        """Send a template's output as it is rendered, and finish.

        What was rendered before the template first awaits is sent while it waits. An error after
        that cuts the response off. Styles and scripts of UI modules come at the end of the page.
        """
        from . import rendering

        handler: Any = self
        template = rendering.load(handler, template_name)
        end = b""
        async for chunk in template.stream(**self._namespace(kwargs)):
            # What closes the page waits for what modules want to have before it.
            at = 0 if end else chunk.rfind(b"</body>")
            if at >= 0:
                end += chunk[at:]
                chunk = chunk[:at]
            if chunk:
                self.write(chunk)
                await self.flush()
        await self.finish(rendering.insert_resources(handler, end))


def _type_of(name: str) -> str:
    kind = type_of_file(name)
    return f"{kind}; charset=UTF-8" if kind.startswith("text/") else kind
