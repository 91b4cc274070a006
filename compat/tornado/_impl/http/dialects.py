"""What the overlay forgives in messages: what Tornado 6.6 does, as far as its tests require it.

The older releases, which programs may ask for by their generation, forgave more. Knows the
generation and `tornado_trio.limits.Dialect`.
"""

from __future__ import annotations

from tornado._impl.generation import before

from tornado_trio._util.records import replace
from tornado_trio.limits import RESPONSES, Dialect

__all__ = ["BAD_REQUEST", "OF_REQUESTS", "OF_RESPONSES"]

#: Byte for byte what Tornado's tests ask for; "Connection: close" would tell more.
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\n\r\n"

OF_REQUESTS = Dialect(
    bare_lf=True,
    repeated_length=before(6),
    chunked_http10=True,
    missing_host=before(6, 5),
    raw_target=True,
    coding_beside_length=True,
    loose_fields=before(6, 5),
)
OF_RESPONSES = replace(RESPONSES, bare_lf=True, loose_fields=before(6, 5))
