"""A client of server-sent events: one stream that reconnects as needed.

Knows responses and the client's errors; the format is `wire.server_events`.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self, final

import trio

from ..errors import LimitError
from ..wire.headers import HTTPHeaders
from ..wire.parameters import media_type
from ..wire.server_events import EventParser, ServerEvent
from .errors import (
    ClientClosed,
    ClientError,
    HTTPStatusError,
    InvalidRequest,
    ResponseError,
    TooManyRedirects,
)

if TYPE_CHECKING:
    from .call import RequestOptions
    from .client import Client
    from .response import Response

__all__ = ["EventStream", "ServerEvent"]

_RETRY: Final = 3.0  # seconds, as browsers
_MOST: Final = 60.0
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
# What connecting again does not change.
_FINAL = (ClientClosed, InvalidRequest, TooManyRedirects, ResponseError)


@final
class EventStream:
    """See `Client.events`. Iterated over by one task.

    Attributes:
      last_id: id of the last event that has one: pass it to another stream to continue there.
    """

    def __init__(
        self,
        client: Client,
        url: str,
        last_id: str,
        idle: float | None,
        max_failures: int | None,
        options: RequestOptions,
    ) -> None:
        self.last_id = last_id
        self._client = client
        self._url = url
        self._max_failures = max_failures
        self._options = options
        timeouts = options.get("timeouts", client._timeouts)
        self._timeouts = replace(timeouts, idle=idle, total=None)
        self._response: Response | None = None
        self._parser = EventParser(last_id)
        self._retry = _RETRY
        self._failures = 0
        self._ready: deque[ServerEvent] = deque()
        self._over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._close()
        self._over = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerEvent:
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            try:
                await self._read()
            except _FINAL:
                self._close()
                raise
            except (ClientError, OSError) as error:
                self._close()
                await self._fail(error)
            except BaseException:
                self._close()  # cancelled: the next one connects again, after `last_id`
                raise
        event = self._ready.popleft()
        self.last_id = event.id
        return event

    async def _read(self) -> None:
        """Connect if need be, and read some."""
        response = self._response
        if response is None:
            self.last_id = self._parser.last_id  # all that came has been handed out
            response = await self._connect()
            if response is None:
                return
        chunk = await response.read_chunk()
        if chunk:
            self._failures = 0
            try:
                self._ready.extend(self._parser.feed(chunk))
            except LimitError as error:
                raise ResponseError(str(error), "body") from error
            return
        self._close()
        # A stream ended by the server is not a failure.
        await trio.sleep(self._pause())

    async def _connect(self) -> Response | None:
        options = self._options.copy()
        headers = HTTPHeaders()
        given = options.get("headers") or ()
        for name, value in given.items() if isinstance(given, Mapping) else given:
            headers.add(name, value)
        if "Accept" not in headers:
            headers["Accept"] = "text/event-stream"
        headers["Cache-Control"] = "no-cache"
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        options["headers"] = headers
        options["timeouts"] = self._timeouts
        response = await self._client._send("GET", self._url, options)
        self._response = response
        self._parser = EventParser(self.last_id)
        if response.status == 204:
            self._close()
            self._over = True
            return None
        if response.status != 200:
            text = f"HTTP {response.status}: {response.reason or 'no reason'}"
            error = HTTPStatusError(f"{text} (events of {self._url})", response)
            if response.status not in _AGAIN:
                self._over = True
            raise error
        kind = media_type(response.headers.get("Content-Type", ""))
        if kind != "text/event-stream":
            raise ResponseError(f"no event stream but {kind or 'something without a type'}")
        return response

    async def _fail(self, error: Exception) -> None:
        self._failures += 1
        most = self._max_failures
        if self._over or (most is not None and self._failures > most):
            self._over = True
            raise error
        pause = min(self._pause() * 2 ** min(self._failures - 1, 10), _MOST)
        if isinstance(error, HTTPStatusError):
            after = error.response.headers.get("Retry-After", "")
            if after.isascii() and after.isdigit():
                pause = max(pause, min(float(after), 3600.0))
        # Not all clients of a server that comes back at the same moment.
        await trio.sleep(pause * random.uniform(1, 1.25))

    def _pause(self) -> float:
        if self._parser.retry is not None:
            self._retry = self._parser.retry
        return self._retry

    def _close(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            if self._parser.retry is not None:
                self._retry = self._parser.retry
            response.close()
