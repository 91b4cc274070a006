"""Allowed hosts, HTTPS redirects, and the security headers for browsers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..calls import Call, Next, Response
from ..errors import HTTPError

__all__ = ["HTTPSRedirect", "SecurityHeaders", "TrustedHosts"]


def _host_name(host: str) -> str:
    """In lower case, without port and the root's dot."""
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit() and (not name.count(":") or name.endswith("]")):
        host = name
    return host.lower().rstrip(".")


class TrustedHosts:
    """Answers 400 to requests for other hosts than these.

    Args:
        hosts: names without port; "*.example.com" is every name below example.com.

    Links, redirects and caches that are made of a made-up Host lead a visitor elsewhere.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        if isinstance(hosts, str):
            raise TypeError(f"hosts is a list: [{hosts!r}]")
        names = [host.lower() for host in hosts]
        for name in names:
            if "*" in name[1:] or "/" in name or (name[:1] == "*" and name[1:2] != "."):
                raise ValueError(f"{name!r} is neither a host's name nor '*.' before one")
        self._names = frozenset(name for name in names if name[0] != "*")
        self._below = tuple(name[1:] for name in names if name[0] == "*")

    async def __call__(self, call: Call, next: Next) -> None:
        name = _host_name(call.request.host)
        if name not in self._names and not name.endswith(self._below or ("\0",)):
            raise HTTPError(400, "untrusted host %s", call.request.host)
        await next(call)


class HTTPSRedirect:
    """Sends requests that came by plain HTTP to the same address by HTTPS, with status 308.

    Args:
        port: of the HTTPS server, if it is not 443.
        exempt: beginnings of paths that are answered all the same: certificate challenges, and
            what a load balancer asks.

    Behind a proxy that ends TLS the server must trust its X-Forwarded-Proto (`Server(xheaders=)`),
    or the redirect has no end. Put `TrustedHosts` before it: the target is made of Host.
    """

    def __init__(
        self, *, port: int = 443, exempt: Iterable[str] = ("/.well-known/acme-challenge/",)
    ) -> None:
        self._port = "" if port == 443 else f":{port}"
        self._exempt = tuple(exempt)

    async def __call__(self, call: Call, next: Next) -> None:
        request = call.request
        if request.protocol == "https" or request.path.startswith(self._exempt):
            await next(call)
            return
        scheme = "wss" if request.headers.get("Upgrade", "").lower() == "websocket" else "https"
        target = request.path + (f"?{request.query}" if request.query else "")
        if not target.startswith("/"):
            target = "/"  # OPTIONS of the server as a whole
        location = f"{scheme}://{_host_name(request.host)}{self._port}{target}"
        await call.answer(308, headers={"Location": location})


class SecurityHeaders:
    """Sets fields by which browsers refuse more, where the handler has not set them.

    Args:
        content_security_policy, permissions_policy: as the field has it; None for none.
        frame_options: who may show pages in frames.
        hsts: seconds for which browsers use only HTTPS, said by HTTPS alone; None for none.
        subdomains: whether that goes for hosts below as well.
        others: more fields, or other values; None leaves one out.
    """

    def __init__(
        self,
        *,
        content_security_policy: str | None = None,
        permissions_policy: str | None = None,
        frame_options: str | None = "DENY",
        referrer_policy: str | None = "strict-origin-when-cross-origin",
        hsts: int | None = 31_536_000,
        subdomains: bool = False,
        others: Mapping[str, str | None] | None = None,
    ) -> None:
        fields = {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": frame_options,
            "Referrer-Policy": referrer_policy,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Content-Security-Policy": content_security_policy,
            "Permissions-Policy": permissions_policy,
            **(others or {}),
        }
        self._fields = {name: value for name, value in fields.items() if value is not None}
        self._secure = dict(self._fields)
        if hsts is not None:
            below = "; includeSubDomains" if subdomains else ""
            self._secure["Strict-Transport-Security"] = f"max-age={hsts}{below}"

    async def __call__(self, call: Call, next: Next) -> None:
        fields = self._secure if call.request.protocol == "https" else self._fields

        def fill(response: Response) -> None:
            for name, value in fields.items():
                if name not in response.headers:
                    response.headers[name] = value

        call.on_response(fill)
        await next(call)
