"""How a server behaves, in one frozen object. Knows limits, policies and errors."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import field
from typing import Any

from .._util.records import dataclass
from ..errors import PeerError
from ..exchange import CANCEL, DisconnectPolicy, Finished
from ..limits import STRICT, Dialect, Limits, Timeouts
from ..wire.engines import engine_for

__all__ = ["ServerOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Settings of one server; the defaults suit a service behind nothing.

    Attributes:
      limits: bounds on sizes and counts.
      timeouts: bounds on times.
      dialect: what is forgiven in a request; by default nothing.
      engine: the implementation of HTTP/1.1: "own" or "h11"; None: the one that the environment
        variable TORNADO_TRIO_ENGINE names, or "own". h11 refuses what `missing_host`,
        `loose_fields` and `coding_beside_length` of a dialect allow: ValueError here.
      on_disconnect: what becomes of a request whose client goes away: `CANCEL`, `FINISH` or
        `grace(seconds)`; applications, handlers and methods may say otherwise.
      keep_alive: False: every connection ends with its first response.
      run: wraps the coroutine of each request; compat uses it to drive coroutines that await
        asyncio.
      call_soon: schedules a function for after the current step (False: it will not be called), for
        hosts whose callbacks write too; None: a turn ends when the handler waits.
      refuse: the bytes that answer a malformed request, for hosts whose applications answer
        for their own errors, too: if one raises, its connection is closed. None: a short plain page
        for malformed requests, 500 for errors.
      access_log: called with the `Finished` record of each request, once, when it is over.
      request_id_header: a field of requests ("X-Request-ID") whose value is the request's id:
        for servers behind a proxy that sets it; None: each request gets an id of ours.
      xheaders: believe X-Real-Ip, X-Forwarded-For, X-Scheme and X-Forwarded-Proto.
      trusted_downstream: proxies to skip in X-Forwarded-For.
      protocol: "https" behind a proxy that decrypts and does not say so.
      decompress_request: gzip request bodies are inflated, within `max_body_size`.
      tolerate_half_close: a client that shuts down its sending side is probed before it
        counts as gone.
    """

    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    dialect: Dialect = STRICT
    engine: str | None = None
    on_disconnect: DisconnectPolicy = CANCEL
    keep_alive: bool = True
    xheaders: bool = False
    trusted_downstream: frozenset[str] = frozenset()
    protocol: str | None = None
    decompress_request: bool = False
    tolerate_half_close: bool = True
    run: Callable[[Coroutine[Any, Any, Any]], Coroutine[Any, Any, Any]] | None = None
    call_soon: Callable[[Callable[[], object]], bool] | None = None
    refuse: Callable[[PeerError], bytes] | None = None
    access_log: Callable[[Finished], object] | None = None
    request_id_header: str | None = None

    def __post_init__(self) -> None:
        if self.engine is not None:
            engine_for(self.engine, self.dialect)
