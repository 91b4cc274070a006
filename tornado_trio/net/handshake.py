"""One step of a TLS handshake, for native streams and compat's IOStream. Knows sys and ssl.

Server names (SNI) that are not text need care: the standard library decodes the name before it
calls a context's `sni_callback`. For bytes that are not ASCII it rightly refuses the handshake, but
passes the error to `sys.unraisablehook`: any client could cause tracebacks on stderr. There is no
earlier hook, so that one is replaced while a handshake is stepped.
"""

from __future__ import annotations

import ssl
import sys
import threading
from collections.abc import Callable
from enum import Enum
from typing import Any

__all__ = ["Wants", "step_handshake"]


class Wants(Enum):
    """What a handshake waits for: that the socket can be read, or written."""

    READ = "read"
    WRITE = "write"


_lock = threading.Lock()
_threads: list[int] = []  # those that step a handshake just now
_previous: Callable[[Any], Any] = sys.unraisablehook


def _hook(unraisable: Any) -> None:
    # Python 3.15 names the callback in the message, those before give the name as the object.
    told = type(unraisable.object) is bytes or "servername" in (unraisable.err_msg or "")
    of_a_name = unraisable.exc_type is UnicodeDecodeError and told
    if not (of_a_name and threading.get_ident() in _threads):
        _previous(unraisable)


def step_handshake(sock: ssl.SSLSocket) -> Wants | None:
    """Go on with the handshake; what it waits for then, None when it is done.

    Raises:
      ssl.SSLEOFError, ssl.SSLZeroReturnError: the peer left, as port scanners do.
      ssl.SSLError: it failed; ssl.SSLCertVerificationError: the peer's certificate is refused.
      OSError: the connection broke.
    """
    try:
        _do_handshake(sock)
    except ssl.SSLWantReadError:
        return Wants.READ
    except ssl.SSLWantWriteError:
        return Wants.WRITE
    return None


def _do_handshake(sock: ssl.SSLSocket) -> None:
    """`sock.do_handshake()`, which refuses a name that is not text silently."""
    global _previous
    if not sock.server_side or sock.context.sni_callback is None:
        sock.do_handshake()
        return
    thread = threading.get_ident()
    with _lock:
        if not _threads:
            _previous, sys.unraisablehook = sys.unraisablehook, _hook
        _threads.append(thread)
    try:
        sock.do_handshake()
    finally:
        with _lock:
            _threads.remove(thread)
            if not _threads and sys.unraisablehook is _hook:
                sys.unraisablehook = _previous
