"""`LateTls`: the TLS settings of a server whose `ssl_options` may change while it runs.

Knows TLS options and their files.
"""

from __future__ import annotations

import os
import ssl
from typing import Any

from tornado.log import gen_log
from tornado.netutil import ssl_options_to_context

__all__ = ["LateTls"]

_FILES = ("certfile", "keyfile", "ca_certs")


class LateTls:
    """The TLS context for a connection, by `ssl_options` as they are when it comes.

    A dict of options makes a context once, and again when it or one of its files changes: a
    certificate that was renewed is used, as Tornado does it, without a context per connection.
    """

    def __init__(self) -> None:
        self._made: ssl.SSLContext | None = None
        self._of: Any = None

    def context(self, options: Any) -> ssl.SSLContext | None:
        """None for no TLS. Errors: those of `ssl_options_to_context`, OSError, ssl.SSLError."""
        if options is None or isinstance(options, ssl.SSLContext):
            return options
        wanted = (dict(options), [_stamp(options.get(name)) for name in _FILES])
        if wanted != self._of:
            try:
                self._made = ssl_options_to_context(options, server_side=True)
            except (OSError, ssl.SSLError):
                if self._of is None or self._of[0] != wanted[0]:
                    raise
                # The files alone changed: half of a renewal, perhaps. The rest comes.
                gen_log.error("The new TLS certificate cannot be loaded", exc_info=True)
            self._of = wanted
        return self._made


def _stamp(path: Any) -> tuple[int, int] | None:
    """Changes when the file does."""
    if path is None:
        return None
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
