"""One call of the program, and the requests it leads to.

Knows bodies, header fields and the policies; no connection. A call makes one request after
the other: redirects and authentication challenges each add one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, final
from urllib.parse import urlencode

import trio

from .._util.late import later
from ..wire.headers import HTTPHeaders
from .auth import Auth, BasicAuth
from .content import NO_CONTENT, Body, Content, prepare
from .decoding import accept_encoding
from .engine import Job
from .errors import InvalidRequest
from .options import ClientTimeouts, Policy
from .redirects import Redirect
from .response import Response
from .routes import Route, parse_proxy
from .targets import Origin, Target

if TYPE_CHECKING:
    from . import multipart
else:
    multipart = later("tornado_trio.client.multipart", globals())

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class RequestOptions(TypedDict, total=False):
    """Keyword arguments of every request method.

    body: bytes, text, a binary file, an async iterable of bytes, or a function that makes
      one (which allows the body to be sent again after a redirect).
    json, form: a value to send as JSON; pairs or a mapping to send as a form.
    files: files to send as multipart/form-data, with the fields of `form`: name -> content, or
      (filename, content), or (filename, content, content type); pairs for several of one name. A
      content is bytes, a Path, a binary file (also trio's), an async iterable, or a function that
      makes one. Their sizes, where they are known, make a Content-Length.
    params: pairs or a mapping to add to the URL's query.
    auth: credentials for this URL's origin (never sent to another).
    timeouts, follow_redirects, max_redirects, decompress: instead of the client's own.
    expect_continue: wait for "100 Continue" before sending the body.
    """

    headers: Headers
    params: Mapping[str, Any] | Iterable[tuple[str, Any]]
    body: Body
    json: Any
    form: multipart.Form
    files: multipart.Files
    auth: Auth | tuple[str, str]
    timeouts: ClientTimeouts
    follow_redirects: bool
    max_redirects: int
    decompress: bool
    expect_continue: bool


_NAMES = frozenset(RequestOptions.__annotations__)
# What other clients, and Tornado's, call these things.
_HERE = {
    "allow_redirects": "follow_redirects=",
    "auth_password": "auth=(user, password)",
    "auth_username": "auth=(user, password)",
    "cert": "open_client(network=Network(tls=TlsOptions(cert_file=...)))",
    "connect_timeout": "timeouts=ClientTimeouts(connect=...)",
    "content": "body=",
    "cookies": "open_client(cookies=CookieJar()), or a Cookie field in headers=",
    "data": "body= (bytes, text, a file, chunks) or form= (pairs), beside files= too",
    "decompress_response": "decompress=",
    "proxies": "open_client(network=Network(proxy=Proxy(url=...)))",
    "proxy": "open_client(network=Network(proxy=Proxy(url=...)))",
    "query": "params=",
    "raise_error": "response.raise_for_status()",
    "request_timeout": "timeouts=ClientTimeouts(total=...)",
    "stream": "async with client.stream(method, url)",
    "streaming_callback": "async with client.stream(method, url)",
    "timeout": "timeouts=ClientTimeouts(total=...)",
    "user_agent": "open_client(policy=Policy(user_agent=...)), or a field in headers=",
    "validate_cert": "open_client(network=Network(tls=TlsOptions(verify=...)))",
    "verify": "open_client(network=Network(tls=TlsOptions(verify=...)))",
}


def check_options(options: RequestOptions) -> None:
    """TypeError for an unknown argument, naming the one that was probably meant.

    Python does not check names passed as `**options`: a misspelled limit or body would be ignored
    silently.
    """
    if not options.keys() <= _NAMES:
        name = min(options.keys() - _NAMES)
        meant = _HERE.get(name)
        if meant is None:
            from difflib import get_close_matches  # milliseconds, which only this error needs

            close = get_close_matches(name, _NAMES, 1)
            meant = f"{close[0]}=" if close else f"one of {', '.join(sorted(_NAMES))}"
        raise TypeError(f"a request takes no argument {name!r}; use {meant}")
    if "timeouts" in options and not isinstance(options["timeouts"], ClientTimeouts):
        raise TypeError(f"timeouts={options['timeouts']!r} has to be a ClientTimeouts(total=...)")


@final
class Call:
    """One call of the program: what stays the same over its requests, and what changes."""

    __slots__ = ("auth", "content", "decompress", "fields", "history", "method", "options",
                 "origin", "retries", "started", "url")  # fmt: skip

    def __init__(self, method: str, url: str, options: RequestOptions, policy: Policy) -> None:
        self.options = options
        self.method = method
        self.url = url
        self.started = trio.current_time()
        self.history: list[Response] = []
        self.retries = 0  # answers to authentication challenges so far
        self.content: Content = NO_CONTENT
        if "files" in options:
            pass  # `take_files` comes next
        elif "body" in options or "json" in options or "form" in options:
            self.content = prepare(options.get("body"), options.get("json"), options.get("form"))
        self.fields = _fields(options.get("headers"))
        self.decompress = options.get("decompress", policy.decompress)
        auth = options.get("auth")
        self.auth: Auth | None = BasicAuth(*auth) if isinstance(auth, tuple) else auth
        self.origin: Origin | None = None  # the one `auth` is for

    async def take_files(self) -> None:
        """Make the body of `files=`: it asks files for their sizes. See `prepare_multipart`."""
        options = self.options
        if options.get("body") is not None or options.get("json") is not None:
            raise InvalidRequest("files= may be sent with form=, but not with body= or json=")
        for name, _ in self.fields:
            if name.lower() in ("content-type", "content-length", "transfer-encoding"):
                raise InvalidRequest(f"leave out {name}: files= sets it, with its boundary")
        made = await multipart.prepare_multipart(options["files"], options.get("form"))
        self.content = made.content
        self.fields += made.fields

    def enter(self, target: Target) -> None:
        """Prepare the request to `target`: credentials belong to the first origin, or come from its
        URL."""
        if self.origin is None:
            self.origin = target.origin
        elif self.origin != target.origin:
            self.origin = target.origin
            self.auth = None
        if target.credentials is not None and self.auth is None:
            self.auth = BasicAuth(*target.credentials)

    def go_to(self, redirect: Redirect, response: Response) -> None:
        """Turn into the request that follows a redirect."""
        self.history.append(response)
        self.method = redirect.method
        self.url = redirect.url
        self.fields = [pair for pair in self.fields if redirect.keeps_field(pair[0])]
        if not redirect.keep_body:
            self.content = NO_CONTENT
        elif not self.content.repeatable:
            raise InvalidRequest(
                f"a {response.status} redirect asks for the body again; give it as bytes, or "
                "as a function that makes it (in files= also as a Path)"
            )

    def make_job(self, target: Target, route: Route, policy: Policy, cookie: str | None) -> Job:
        """The request to send now."""
        headers = HTTPHeaders()
        headers["Host"] = target.host_header
        if policy.user_agent is not None:
            headers["User-Agent"] = policy.user_agent
        if self.decompress:
            headers["Accept-Encoding"] = accept_encoding()
        content = self.content
        if content.content_type is not None:
            headers["Content-Type"] = content.content_type
        for name, value in policy.headers:
            headers[name] = value
        if self.fields:
            _add_fields(headers, self.fields)
        if cookie:
            own = headers.get("Cookie")
            headers["Cookie"] = f"{own}; {cookie}" if own else cookie
        if self.auth is not None and "Authorization" not in headers:
            authorization = self.auth.authorization(self.method, target.path)
            if authorization is not None:
                headers["Authorization"] = authorization
        path = target.path
        if route.forward:
            path = target.absolute
            _add_proxy_fields(headers, route)
        _frame(headers, self.method, content)
        if self.options.get("expect_continue") and content is not NO_CONTENT:
            headers["Expect"] = "100-continue"
        producer = None if content.make_producer is None else content.make_producer()
        return Job(self.method, path, headers, route, content.data, producer)


def _fields(headers: Headers | None) -> list[tuple[str, str]]:
    if not headers:
        return []
    if isinstance(headers, HTTPHeaders):
        return list(headers.get_all())
    return list(headers.items()) if isinstance(headers, Mapping) else list(headers)


def _add_fields(headers: HTTPHeaders, fields: list[tuple[str, str]]) -> None:
    """The program's own fields: the first of a name replaces ours, more are added."""
    seen: set[str] = set()
    for name, value in fields:
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidRequest(f"header fields are strings, not {name!r}: {type(value).__name__}")
        lowered = name.lower()
        if lowered in seen:
            headers.add(name, value)
        else:
            headers[name] = value
            seen.add(lowered)


def _frame(headers: HTTPHeaders, method: str, content: Content) -> None:
    if content.data is not None:
        headers["Content-Length"] = str(len(content.data))
    elif content.make_producer is not None:
        if "Content-Length" not in headers:
            headers["Transfer-Encoding"] = "chunked"
    elif method in _BODY_METHODS:
        headers["Content-Length"] = "0"


def _add_proxy_fields(headers: HTTPHeaders, route: Route) -> None:
    assert route.proxy is not None
    authorization = parse_proxy(route.proxy).authorization
    if authorization is not None:
        headers["Proxy-Authorization"] = authorization
    for name, value in route.proxy.headers:
        headers[name] = value


def with_params(url: str, params: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> str:
    pairs = list(params.items()) if isinstance(params, Mapping) else list(params)
    query = urlencode(pairs, doseq=True)
    if not query:
        return url
    base, mark, fragment = url.partition("#")
    return f"{base}{'&' if '?' in base else '?'}{query}{mark}{fragment}"
