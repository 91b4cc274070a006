"""`ChunkedTransferEncoding`, which programs of Tornado 2 and 3 name among their transforms."""

from __future__ import annotations

from tornado_trio.web.transforms import OutputTransform

__all__ = ["ChunkedTransferEncoding"]


class ChunkedTransferEncoding(OutputTransform):
    """Changes nothing: since Tornado 4 the connection chunks what has no length by itself."""
