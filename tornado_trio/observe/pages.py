"""The resources of the inspection address: `/`, `/metrics`, `/tree`, and `/state` for the page.

Knows web handlers and a `Source`. Read-only; neither headers nor bodies nor queries are shown.
Protected by a token, or for loopback only. On loopback, another site's page must not read it
through the visitor's browser, so the Host of a request has to be a loopback name (DNS rebinding).
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from functools import cache
from importlib.resources import files
from typing import Any

from ..web.errors import HTTPError
from ..web.handler import RequestHandler
from .families import CONTENT_TYPE, render
from .sources import Source, merged_ticks
from .text import tree_text

__all__ = ["Guard", "routes"]

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
)


class Guard:
    """Access control of the pages.

    Args:
      token: required as `Authorization: Bearer TOKEN` or `?token=TOKEN`; None: loopback only.
      open: no check: for routes that the program protects itself.
    """

    def __init__(self, token: str | None = None, *, open: bool = False) -> None:
        self.token = token
        self.open = open

    def check(self, handler: RequestHandler) -> None:
        """Raises HTTPError 401 or 403."""
        if self.token is not None:
            scheme, _, given = handler.request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                given = handler.get_query_argument("token", "")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                handler.set_header("WWW-Authenticate", "Bearer")
                raise HTTPError(401, reason="A token is needed")
        elif not self.open and not _is_loopback(handler.request.host_name):
            raise HTTPError(403, reason="Ask for localhost, or set a token")


def _is_loopback(host: str) -> bool:
    host = host.strip("[]").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Page(RequestHandler):
    def initialize(self, source: Source, guard: Guard) -> None:  # type: ignore[override]
        self.source = source
        self.guard = guard

    async def prepare(self) -> None:
        self.guard.check(self)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")


@cache
def _page() -> str:
    return files(__package__).joinpath("page.html").read_text("utf-8")


class LivePage(_Page):
    """The page, self-contained."""

    async def get(self) -> None:
        self.set_header("Content-Security-Policy", _POLICY)
        self.write(_page())


class Metrics(_Page):
    """For Prometheus."""

    async def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE)
        self.write(render(await self.source.families()))


class Tree(_Page):
    """`?frames=1`: with all frames; `?find=TEXT`: only what contains it."""

    async def get(self) -> None:
        find = self.get_query_argument("find", "")
        frames = self.get_query_argument("frames", "") not in ("", "0")
        states = await self.source.states(find=find, frames=frames)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.write(tree_text(states))


class State(_Page):
    """`?since=SECONDS&find=TEXT&tree=0`: JSON for the page."""

    async def get(self) -> None:
        states = await self.source.states(
            since=_number(self.get_query_argument("since", "0")),
            find=self.get_query_argument("find", ""),
            tree=self.get_query_argument("tree", "1") != "0",
        )
        ticks = merged_ticks(states)
        for state in states:
            state.pop("ticks", None)
        answer: dict[str, Any] = {"now": time.time(), "ticks": ticks, "workers": states}
        self.write(answer)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise HTTPError(400, reason="since is a number of seconds") from None


def routes(source: Source, guard: Guard | None = None, prefix: str = "") -> list[Any]:
    """Rules for an `Application`, to be mounted behind the program's own access control.

    Args:
      source: `LocalSource(inspector)`, for one.
      guard: access control; None: none.
      prefix: of the paths: "/inspect" has the page at "/inspect/".
    """
    arguments = {"source": source, "guard": guard or Guard(open=True)}
    return [
        (rf"{prefix}/", LivePage, arguments),
        (rf"{prefix}/metrics", Metrics, arguments),
        (rf"{prefix}/tree", Tree, arguments),
        (rf"{prefix}/state", State, arguments),
    ]
