"""Multipart forms, part by part as they arrive: uploads of any size in bounded memory.

```python
@stream_request_body
class Upload(RequestHandler):
    async def post(self):
        async for part in form_parts(self.request):
            if part.filename is None:
                title = await part.read()
            else:
                async for chunk in part:
                    await store(chunk)
```

Knows a request and the parser; the exchange supplies the bytes. Not reading them is the
backpressure: the client is slowed down to the pace of the loop.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO, Final, final

from .._util.records import dataclass
from .._util.threads import FILES
from ..errors import LimitError, UnsupportedMediaError
from ..wire.headers import HTTPHeaders
from ..wire.multipart import Event, MultipartParser, Part, PartData
from ..wire.parameters import parse_header
from .request import Request

_DISK_WRITE: Final = 64 * 1024

__all__ = ["FormLimits", "FormPart", "FormParts", "form_parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLimits:
    """Bounds of a form that is read part by part. The limit of the whole body applies as well."""

    #: Parts of one body, as for forms that are read whole.
    max_parts: int = 100
    #: Bytes of one part's fields.
    max_part_header_size: int = 10 * 1024
    #: Bytes of one part that `read` takes into memory: it is a text field, or a mistake.
    max_in_memory: int = 1024 * 1024
    #: Bytes of any one part; None: no bound but the body's.
    max_part_size: int | None = None


@final
class FormPart:
    """One part of a form. Iterate over it for its bytes, or `read` or `spool` it.

    Attributes:
      name: of the field.
      filename: what the client says, None for a plain field; never use it as a path.
      content_type: what the client says, or None.
      headers: all fields of the part.

    A part is valid until the next one is requested: what was not read is skipped.
    """

    def __init__(self, parts: FormParts, head: Part) -> None:
        self._parts = parts
        self.name = head.name
        self.filename = head.filename
        self.content_type = head.content_type
        self.headers: HTTPHeaders = head.headers
        self._size = 0
        self._complete = False

    def __aiter__(self) -> FormPart:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes. HTTPInputError if the form ends in between, LimitError if too long.

        Cancellation: nothing is lost; reading may continue.
        """
        if self._complete:
            raise StopAsyncIteration
        event = await self._parts._next_event()
        if type(event) is not PartData:
            self._complete = True
            raise StopAsyncIteration
        self._size += len(event.data)
        limit = self._parts.limits.max_part_size
        if limit is not None and self._size > limit:
            raise LimitError(f"form field {self.name!r} is too large")
        return event.data

    async def read(self, max_bytes: int | None = None) -> bytes:
        """All of it. LimitError if that is more than `max_bytes` (the form's
        `max_in_memory`). Cancellation: what has been read of it is lost."""
        limit = self._parts.limits.max_in_memory if max_bytes is None else max_bytes
        out = bytearray()
        async for chunk in self:
            out += chunk
            if len(out) > limit:
                raise LimitError(f"form field {self.name!r} is too large")
        return bytes(out)

    async def spool(self, max_memory: int = 1024 * 1024) -> IO[bytes]:
        """All of it in a temporary file, which stays in memory up to `max_memory` bytes.

        The file is at its start, and the caller's to close. Disk writes are done in a
        thread, 64 KiB or more at a time. Cancellation: the file is closed.
        """
        file = tempfile.SpooledTemporaryFile(max_size=max_memory)  # handed out
        size = 0
        unwritten = bytearray()  # pieces may be as small as the client likes
        try:
            async for chunk in self:
                size += len(chunk)
                if size <= max_memory:
                    file.write(chunk)
                    continue
                unwritten += chunk
                if len(unwritten) >= _DISK_WRITE:
                    await FILES.run(file.write, bytes(unwritten))
                    unwritten.clear()
            if unwritten:
                await FILES.run(file.write, bytes(unwritten))
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def __repr__(self) -> str:
        return f"<FormPart {self.name!r} filename={self.filename!r}>"


@final
class FormParts:
    """The parts of a form in order; what `form_parts` returns."""

    def __init__(self, source: AsyncIterator[bytes], boundary: bytes, limits: FormLimits) -> None:
        self.limits = limits
        self._source = source
        self._parser = MultipartParser(
            boundary,
            max_parts=limits.max_parts,
            max_part_header_size=limits.max_part_header_size,
        )
        self._events: Iterator[Event] = iter(())
        self._part: FormPart | None = None

    def __aiter__(self) -> FormParts:
        return self

    async def __anext__(self) -> FormPart:
        """The next part. HTTPInputError when the form is malformed."""
        if self._part is not None:
            async for _ in self._part:
                pass  # skip what was not read
        event = await self._next_event()
        if event is None:
            raise StopAsyncIteration
        assert isinstance(event, Part)
        self._part = FormPart(self, event)
        return self._part

    async def _next_event(self) -> Event | None:
        while True:
            for event in self._events:
                return event
            try:
                chunk = await self._source.__anext__()
            except StopAsyncIteration:
                self._parser.finish()
                return None
            self._events = self._parser.feed(chunk)


def form_parts(request: Request, limits: FormLimits | None = None) -> FormParts:
    """The parts of a multipart/form-data request, as they arrive.

    For handlers with `@stream_request_body` (and no `data_received`), and for functions
    over an exchange. A body that was read before is taken from `request.body`.

    Raises HTTPInputError (415) if the request is not such a form.
    """
    kind, parameters = parse_header(request.headers.get("Content-Type", ""))
    boundary = parameters.get("boundary")
    if kind.lower() != "multipart/form-data" or not boundary:
        raise UnsupportedMediaError("expected multipart/form-data with a boundary")
    if "Content-Encoding" in request.headers:
        raise UnsupportedMediaError("Unsupported Content-Encoding")
    source = _once(request.body) if request.body else request.connection.body()
    return FormParts(source, boundary.encode("utf-8"), limits or FormLimits())


@final
class _Once:
    """An async iterator over one chunk. (An async generator would need closing.)"""

    def __init__(self, chunk: bytes) -> None:
        self._chunk = chunk

    def __aiter__(self) -> _Once:
        return self

    async def __anext__(self) -> bytes:
        chunk, self._chunk = self._chunk, b""
        if not chunk:
            raise StopAsyncIteration
        return chunk


def _once(chunk: bytes) -> AsyncIterator[bytes]:
    return _Once(chunk)
