"""Forms as `tornado.httputil` shows them: the file of a form, the bounds, and the two parsers.

Loaded by the first request that has a form, or a query string: most programs begin without.
"""

from __future__ import annotations

from tornado._impl.names import shown_in

from tornado_trio.wire.formdata import (
    DEFAULT_CONFIG,
    HTTPFile,
    ParseBodyConfig,
    ParseMultipartConfig,
    ParseUrlEncodedConfig,
    parse_body_arguments,
    parse_multipart_form_data,
)

__all__ = [
    "DEFAULT_CONFIG",
    "HTTPFile",
    "ParseBodyConfig",
    "ParseMultipartConfig",
    "ParseUrlEncodedConfig",
    "parse_body_arguments",
    "parse_multipart_form_data",
]

shown_in("tornado.httputil", HTTPFile)
