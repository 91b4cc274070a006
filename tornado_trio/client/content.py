"""Request bodies: from the program's values to what is sent. Pure, except for files.

A body is either bytes, sent whole, or an iterable of chunks. An iterable can be sent only once,
unless it comes from a function that makes a new one: then redirects and authentication challenges
may send it again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias
from urllib.parse import urlencode

from .._util.late import later
from .._util.threads import FILES
from .errors import InvalidRequest
from .upload import BodyWriter, Producer

if TYPE_CHECKING:
    import json
else:
    json = later("json", globals())

Chunks: TypeAlias = "AsyncIterable[bytes]"
#: What `body=` takes.
Body: TypeAlias = (
    "bytes | bytearray | memoryview | str | BinaryIO | Chunks | Callable[[], Chunks] | None"
)

#: Bytes of a file that are read at once.
FILE_CHUNK = 64 * 1024


class Content(NamedTuple):
    """A body ready to be sent.

    `data` or `make_producer` or neither (no body). `content_type` is what the body's form
    implies. `repeatable` is false if `make_producer` may be called only once.
    """

    data: bytes | None = None
    make_producer: Callable[[], Producer] | None = None
    repeatable: bool = True
    content_type: str | None = None


NO_CONTENT = Content()


def prepare(
    body: Body = None,
    json_value: Any = None,
    form: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
) -> Content:
    """The content for `body`, `json=` or `form=`; at most one may be given."""
    if (body is not None) + (json_value is not None) + (form is not None) > 1:
        raise InvalidRequest("only one of body, json and form can be sent")
    if json_value is not None:
        text = json.dumps(json_value, separators=(",", ":"), ensure_ascii=False)
        return Content(text.encode("utf-8"), content_type="application/json")
    if form is not None:
        pairs = list(form.items()) if isinstance(form, Mapping) else list(form)
        encoded = urlencode(pairs, doseq=True).encode("ascii")
        return Content(encoded, content_type="application/x-www-form-urlencoded")
    if body is None:
        return NO_CONTENT
    if isinstance(body, bytes):
        return Content(body)
    if isinstance(body, (bytearray, memoryview)):
        return Content(bytes(body))
    if isinstance(body, str):
        return Content(body.encode("utf-8"), content_type="text/plain; charset=UTF-8")
    if isinstance(body, AsyncIterable):
        return Content(make_producer=lambda: of_chunks(body), repeatable=False)
    if callable(body):
        return Content(make_producer=lambda: of_chunks(body()))
    if hasattr(body, "read"):
        return _of_file(body)
    raise InvalidRequest(f"a body cannot be made of {type(body).__name__}")


def of_chunks(chunks: Chunks) -> Producer:
    """Sends an iterable's chunks, and closes it."""

    async def produce(write: BodyWriter) -> None:
        iterator = aiter(chunks)
        try:
            async for chunk in iterator:
                await write(chunk)
        finally:
            # A generator left half way is closed here and now, in its own task.
            if isinstance(iterator, AsyncGenerator):
                await iterator.aclose()

    return produce


def _of_file(file: BinaryIO) -> Content:
    start = file.tell() if file.seekable() else None

    def make_producer() -> Producer:
        async def produce(write: BodyWriter) -> None:
            if start is not None:
                await FILES.run(file.seek, start)
            while chunk := await FILES.run(file.read, FILE_CHUNK):
                await write(chunk)

        return produce

    return Content(make_producer=make_producer, repeatable=start is not None)
