"""One request of the simple client: what is sent, and how the response is handled.

Knows `HTTPRequest` and the native engine. The client (queue, limits) is only asked for its
engine and routes, and notified when the request is over.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable
from functools import cached_property, lru_cache
from io import BytesIO
from typing import Any
from urllib.parse import SplitResult, urlsplit

import trio
from tornado import httputil, version
from tornado._impl.client.errors import HTTPStreamClosedError, translate
from tornado._impl.client.routes import host_field, url_credentials
from tornado._impl.legacy.httpclient import in_contexts
from tornado._impl.loop.tasks import run_task
from tornado.concurrent import Future
from tornado.escape import native_str, to_unicode, utf8
from tornado.httpclient import HTTPError, HTTPRequest, HTTPResponse, _RequestProxy
from tornado.ioloop import IOLoop
from tornado.log import app_log

from tornado_trio.client.auth import DigestAuth
from tornado_trio.client.deadlines import Deadlines
from tornado_trio.client.decoding import BodyDecoder, decoder_for
from tornado_trio.client.engine import Job
from tornado_trio.client.errors import InvalidRequest, ResponseError
from tornado_trio.client.hop import Hop
from tornado_trio.client.options import ClientTimeouts
from tornado_trio.client.redirects import follow
from tornado_trio.client.targets import Target, parse_target, show_url
from tornado_trio.client.upload import BodyWriter, Producer

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})
_USER_AGENT = f"Tornado/{version}"


class HTTPFetch(httputil.HTTPMessageDelegate):
    """Makes the request in a task of its own, begun by the constructor as upstream's is.

    `release_callback` is called when the connection is free, `final_callback` once with
    the `HTTPResponse`.
    """

    def __init__(
        self,
        client: Any,
        request: HTTPRequest,
        release_callback: Callable[[], None],
        final_callback: Callable[[HTTPResponse], None],
        max_buffer_size: int,
        tcp_client: Any,
        max_header_size: int | None,
        max_body_size: int | None,
    ) -> None:
        self.io_loop: IOLoop = client.io_loop
        self.start_time = self.io_loop.time()
        self.start_wall_time = time.time()
        self.client = client
        self.request = request
        self.release_callback: Callable[[], None] | None = release_callback
        self.final_callback: Callable[[HTTPResponse], None] | None = final_callback
        self.max_buffer_size = max_buffer_size
        self.tcp_client = tcp_client
        self.max_header_size = max_header_size
        self.max_body_size = max_body_size
        self.code: int | None = None
        self.reason: str | None = None
        self.headers: httputil.HTTPHeaders | None = None
        self.chunks: list[bytes] = []
        self._redirecting = False
        self._flat: Any = request
        client._spawn(self.run)

    # --- what programs look at -------------------------------------------------
    @cached_property
    def parsed(self) -> SplitResult:
        """The URL, taken apart."""
        url: str = to_unicode(self.request.url)
        return urlsplit(url)

    @cached_property
    def parsed_hostname(self) -> str:
        """Its host, without the brackets of an IPv6 address."""
        host, _ = httputil.split_host_and_port(self.parsed.netloc.rpartition("@")[2])
        return host.removeprefix("[").removesuffix("]")

    # --- the task -------------------------------------------------------------
    async def run(self) -> None:
        """Make the request; report whatever becomes of it."""
        try:
            await self._make_request()
        except trio.Cancelled:
            # The loop is being closed: nothing that waits in the queue can begin any more.
            self.release_callback = None
            raise
        except (Exception, asyncio.CancelledError) as error:
            self._handle_exception(error)

    async def _make_request(self) -> None:
        request = self._flat = _flattened(self.request)
        url = request.url
        if not url[:5].lower().startswith(("http:", "https")):
            raise ValueError(f"Unsupported url scheme: {show_url(url)}")
        target = parse_target(url)
        digest = self._check()
        job = self._make_job(target, digest)
        connect, total = request.connect_timeout, request.request_timeout
        deadlines = Deadlines(_timeouts(connect or None, total or None), trio.current_time())
        engine = self.client._get_engine()
        hop = await engine.start(job, deadlines)
        try:
            if digest is not None and hop.head.start_line.code == 401:
                challenges = hop.head.headers.get_list("WWW-Authenticate")
                if request.body_producer is None and digest.challenged(challenges, 0):
                    hop.close()
                    request.headers.pop("Authorization", None)
                    hop = await engine.start(self._make_job(target, digest), deadlines)
            await self._read_response(hop)
        finally:
            hop.close()
        self.finish()

    def _check(self) -> DigestAuth | None:
        """Refuse what cannot be sent; the digest credentials, if they are to be used."""
        request = self._flat
        if not request.allow_nonstandard_methods:
            method = request.method
            if method not in _METHODS:
                raise KeyError(f"unknown method {method}")
            # Some methods need a body and some do not allow one; programs that send others
            # by accident would be surprised by servers that hang or close.
            expected = method in _BODY_EXPECTED
            present = request.body is not None or request.body_producer is not None
            if expected != present:
                raise ValueError(
                    f"Body must {'not ' if expected else ''}be None for method {method} "
                    "(unless allow_nonstandard_methods is true)"
                )
        if request.body is not None and request.body_producer is not None:
            raise ValueError("body and body_producer cannot both be set")
        mode = request.auth_mode
        if request.auth_username is None:
            return None
        if mode == "digest":
            return DigestAuth(request.auth_username, request.auth_password or "")
        if mode not in (None, "basic"):
            raise ValueError(f"unsupported auth_mode {mode}")
        return None

    def _make_job(self, target: Target, digest: DigestAuth | None) -> Job:
        """Complete the request's headers, in the order Tornado's client has them."""
        request = self._flat
        headers = request.headers
        for name, value in list(headers.items()):
            if type(value) is bytes:
                headers[name] = value.decode("latin-1")
        if "Host" not in headers:
            field = host_field(request.url)
            headers["Host"] = field if field.isascii() else target.host_header
        self._authorize(headers, target, digest)
        if request.user_agent:
            headers["User-Agent"] = request.user_agent
        elif "User-Agent" not in headers:
            headers["User-Agent"] = _USER_AGENT
        body = request.body
        producer: Producer | None = None
        if request.expect_100_continue:
            headers["Expect"] = "100-continue"
        if body is not None:
            # Set although the program may have: the two must agree.
            headers["Content-Length"] = str(len(body))
        elif request.body_producer is not None:
            producer = _producer(request.body_producer)
        elif request.method in _BODY_EXPECTED:
            headers.setdefault("Content-Length", "0")  # some servers ask for a length (411)
        if request.method == "POST" and "Content-Type" not in headers:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if request.decompress_response:
            headers["Accept-Encoding"] = "gzip"
        if producer is not None and "Content-Length" not in headers:
            headers["Transfer-Encoding"] = "chunked"
        route = self.client._routes.find(request, target.origin, self.tcp_client)
        path = target.path
        if route.forward:
            path = target.absolute
            if request.proxy_username:
                headers["Proxy-Authorization"] = _basic(
                    request.proxy_username, request.proxy_password
                )
        return Job(
            request.method, path, headers, route, body, producer,
            # As long as for the response; not at all if the program only set the field.
            continue_wait=None if request.expect_100_continue else 0.0,
            # A fetch reaches a server once: what kills a server must not kill the next too.
            resend=False,
        )  # fmt: skip

    def _authorize(
        self, headers: httputil.HTTPHeaders, target: Target, digest: DigestAuth | None
    ) -> None:
        request = self._flat
        if digest is not None:
            value = digest.authorization(request.method, target.path)
            if value is not None:
                headers["Authorization"] = value
            return
        username, password = request.auth_username, request.auth_password
        if username is None and "@" in request.url:
            credentials = url_credentials(request.url)
            if credentials is not None:
                username, password = credentials
        if username is not None:
            headers["Authorization"] = _basic(username, password)

    # --- the response ---------------------------------------------------------
    async def _read_response(self, hop: Hop) -> None:
        head = hop.head
        if head.start_line.code == 101:
            # Another protocol was not requested, and there is no HTTP to read after it.
            raise HTTPStreamClosedError("Stream closed")
        if head.start_line.code == 204 and head.content_length:
            # RFC 9112 6.3 would have it end at its head, as it does natively; Tornado's own
            # suite wants it refused.
            raise ResponseError("Response with code 204 should not have body")
        headers = head.headers
        decoder: BodyDecoder | None = None
        if "Content-Encoding" in headers and self.request.decompress_response:
            decoder = self._decoder(headers)
        result = self._call(self.headers_received, head.start_line, headers)
        if result is not None:
            await self._finished(result)
        while chunk := await hop.read_chunk():
            if decoder is None:
                await self._deliver(chunk)
                continue
            decoder.feed(chunk)
            while piece := decoder.pending():
                await self._deliver(piece)
        if decoder is not None:
            decoder.feed(b"")

    def _decoder(self, headers: httputil.HTTPHeaders) -> BodyDecoder | None:
        coding = headers["Content-Encoding"]
        if coding.lower() != "gzip":  # the only one that was asked for
            return None
        limit = self.client._engine.limits.max_body_size
        # The fields must not claim a coding that is undone; programs may still ask.
        headers.add("X-Consumed-Content-Encoding", coding)
        del headers["Content-Encoding"]
        return decoder_for("gzip", limit)

    async def _deliver(self, chunk: bytes) -> None:
        result = self._call(self.data_received, chunk)
        if result is not None:
            await self._finished(result)

    def _call(self, method: Callable[..., Any], *args: Any) -> Any:
        """Call into the program; its errors end the request and are logged once."""
        try:
            return method(*args)
        except Exception as error:
            app_log.error("Uncaught exception", exc_info=True)
            raise HTTPStreamClosedError("Connection closed") from error

    async def _finished(self, result: Any) -> None:
        """Wait for what a callback returned."""
        try:
            await result
        except trio.Cancelled:
            raise
        except (Exception, asyncio.CancelledError) as error:
            app_log.error("Uncaught exception", exc_info=True)
            raise HTTPStreamClosedError("Connection closed") from error

    def headers_received(
        self,
        first_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> Any:
        assert not isinstance(first_line, httputil.RequestStartLine)
        self.headers = headers
        self.code = first_line.code
        self.reason = first_line.reason
        self._redirecting = self._should_follow_redirect()
        header_callback = in_contexts(self.request.header_callback)
        if header_callback is not None and not self._redirecting:
            header_callback(f"{first_line.version} {first_line.code} {first_line.reason}\r\n")
            for name, value in headers.get_all():
                header_callback(f"{name}: {value}\r\n")
            header_callback("\r\n")
        return None

    def data_received(self, chunk: bytes) -> Any:
        if self._redirecting:
            return None  # read, and counted, but of no use
        streaming_callback = self.request.streaming_callback
        if streaming_callback is not None:
            return in_contexts(streaming_callback)(chunk)
        self.chunks.append(chunk)
        return None

    def _should_follow_redirect(self) -> bool:
        request = self.request
        assert self.headers is not None
        return bool(
            self.code in (301, 302, 303, 307, 308)
            and request.follow_redirects
            and request.max_redirects
            and request.max_redirects > 0
            and self.headers.get("Location") is not None
        )

    def finish(self) -> None:
        """The response is complete."""
        assert self.code is not None
        request = self.request
        original = getattr(request, "original_request", request)
        if self._redirecting:
            self._redirect(original)
            return
        buffer = BytesIO()
        if request.streaming_callback is None and self.chunks:
            chunks = self.chunks
            buffer = BytesIO(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        self._run_callback(
            HTTPResponse(
                original,
                self.code,
                reason=self.reason or None,
                headers=self.headers,
                request_time=self.io_loop.time() - self.start_time,
                start_time=self.start_wall_time,
                buffer=buffer,
                effective_url=request.url,
            )
        )

    def _redirect(self, original: HTTPRequest) -> None:
        """Make the next request; its response becomes ours."""
        assert self.headers is not None and self.code is not None
        request = self.request
        inner = request.request if isinstance(request, _RequestProxy) else request
        try:
            url = native_str(inner.url)
            redirect = follow(inner.method, url, self.code, self.headers["Location"])
        except InvalidRequest as error:
            raise ValueError(str(error)) from error
        if redirect is None:  # an empty Location leads to where we are
            redirect = follow(inner.method, url, self.code, url)
            assert redirect is not None
        following = copy.copy(inner)
        following.url = redirect.url
        following.method = redirect.method
        assert request.max_redirects is not None
        following.max_redirects = request.max_redirects - 1
        headers = httputil.HTTPHeaders()
        for name, value in inner.headers.get_all():
            if redirect.keeps_field(name):
                headers.add(name, value)
        following.headers = headers
        if not redirect.keep_body:
            following.body = None
            following.body_producer = None
        if not redirect.same_origin:
            following.auth_username = following.auth_password = None
        following.original_request = original  # type: ignore[attr-defined]
        # First of all: a client that was closed meanwhile refuses, which is then our answer.
        future = self.client.fetch(following, raise_error=False)
        final_callback, self.final_callback = self.final_callback, None
        assert final_callback is not None
        self._release()
        future.add_done_callback(lambda done: _chain(done, original, final_callback))

    # --- the end --------------------------------------------------------------
    def _release(self) -> None:
        if self.release_callback is not None:
            release_callback, self.release_callback = self.release_callback, None
            release_callback()

    def _run_callback(self, response: HTTPResponse) -> None:
        self._release()
        if self.final_callback is not None:
            final_callback, self.final_callback = self.final_callback, None
            try:
                final_callback(response)
            except Exception:
                app_log.error("Exception in callback %r", final_callback, exc_info=True)

    def _handle_exception(self, error: BaseException) -> None:
        if self.final_callback is None:
            # The request was answered already: this concerns what came after.
            self._release()
            app_log.error("Uncaught exception", exc_info=error)
            return
        self._run_callback(
            HTTPResponse(
                getattr(self.request, "original_request", self.request),
                599,
                error=translate(error),
                request_time=self.io_loop.time() - self.start_time,
                start_time=self.start_wall_time,
            )
        )


class _Flat:
    """A request's attributes with the defaults filled in."""


def _flattened(request: Any) -> Any:
    """`request` without the indirection of `_RequestProxy`.

    About 35 attributes are read per request: 0.4 µs each through the proxy.
    """
    if type(request) is not _RequestProxy:
        if isinstance(request.url, bytes):
            request = copy.copy(request)
            request.url = native_str(request.url)
        return request
    inner = request.request
    fields = vars(inner).copy()
    for name, value in (request.defaults or {}).items():
        if fields.get(name) is None:
            fields[name] = value
    fields["headers"] = inner.headers
    fields["body"] = inner.body
    if type(inner.url) is bytes:
        fields["url"] = native_str(inner.url)
    flat = _Flat()
    flat.__dict__ = fields
    return flat


def _chain(done: Any, original: HTTPRequest, final_callback: Callable[..., None]) -> None:
    error = done.exception()
    if error is None:
        final_callback(done.result())
    elif isinstance(error, HTTPError) and error.response is not None:
        final_callback(error.response)
    else:
        elapsed = time.time() - original.start_time
        final_callback(HTTPResponse(original, 599, error=error, request_time=elapsed))


@lru_cache(maxsize=64)
def _timeouts(connect: float | None, total: float | None) -> ClientTimeouts:
    return ClientTimeouts(queue=None, connect=connect, first_byte=None, idle=None, total=total)


def _basic(username: str, password: str | None) -> str:
    import base64

    pair = httputil.encode_username_password(username, password or "")
    return "Basic " + base64.b64encode(utf8(pair)).decode("ascii")


def _producer(body_producer: Callable[..., Any]) -> Producer:
    """Tornado's `body_producer(write)` as the engine's: `write` returns a Future."""

    async def produce(writer: BodyWriter) -> None:
        writer.unbounded()

        def write(chunk: bytes) -> Any:
            if not writer.write(utf8(chunk)):
                return run_task(writer.drain())
            future: Future[None] = Future()
            future.set_result(None)
            return future

        result = body_producer(write)
        if result is not None:
            await result

    return produce
