"""`tornado.wsgi`: WSGI applications on this server.

Knows requests and executors; the rules of WSGI are those of `tornado_trio.wsgi`. Runs the
application in the loop's thread or on an executor of the caller's.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from io import BytesIO
from typing import Any

import tornado
from tornado import httputil
from tornado._impl.generation import before
from tornado._impl.names import handing_on
from tornado.concurrent import dummy_executor
from tornado.ioloop import IOLoop
from tornado.log import access_log, app_log

from tornado_trio.wsgi import Call, environ_from

__all__ = ["HTTPRequest", "WSGIContainer", "to_wsgi_str"]

HTTPRequest = httputil.HTTPServerRequest
WSGIAppType = Callable[[dict[str, Any], Callable[..., Any]], Any]


def to_wsgi_str(s: bytes) -> str:
    """Bytes as the native string of PEP 3333: each character a byte."""
    if not isinstance(s, bytes):
        raise AssertionError(f"expected bytes, got {s!r}")
    return s.decode("latin1")


class _Collected(Call):
    """A response that is kept until it is whole, as Tornado has it: with a Content-Length, and
    an answer of 500 for an application that fails on its way."""

    begun = False

    def __init__(self, app: WSGIAppType) -> None:
        super().__init__(app)
        self.body: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        self.body.append(chunk)


class WSGIContainer:
    """Makes a WSGI application a callback for `HTTPServer`, routers and `FallbackHandler`.

    WSGI is synchronous: without an `executor` the application runs in the loop's thread, one
    request at a time. With one (a `ThreadPoolExecutor`) it runs there, and must be
    thread-safe. Responses are sent when they are whole; `tornado_trio.wsgi.mount` streams.
    """

    def __init__(
        self,
        wsgi_application: WSGIAppType,
        executor: concurrent.futures.Executor | None = None,
    ) -> None:
        self.wsgi_application = wsgi_application
        self.executor = dummy_executor if executor is None else executor

    def __call__(self, request: httputil.HTTPServerRequest) -> None:
        IOLoop.current().spawn_callback(self.handle_request, request)

    async def handle_request(self, request: httputil.HTTPServerRequest) -> None:
        """Run the application for one request and send its response.

        The failure of an application is logged and answered with 500.
        """
        try:
            call, body = await self._answer(request)
            assert call.head is not None
            self._send(request, *call.head, body)
        except Exception:
            # Sending fails too, before anything was sent: line breaks in fields are refused.
            app_log.error("Uncaught exception in WSGI application", exc_info=True)
            if before(5):
                request.connection.close()  # then, the client saw the connection close
                return
            error = [("Content-Type", "text/plain")]
            message = b"500: Internal Server Error"
            self._send(request, 500, "Internal Server Error", error, message)

    async def _answer(self, request: httputil.HTTPServerRequest) -> tuple[_Collected, bytes]:
        call = _Collected(self.wsgi_application)
        if self.executor is dummy_executor:
            call.run(self.environ(request))
        else:
            loop = IOLoop.current()
            await loop.run_in_executor(self.executor, call.run, self.environ(request))
        return call, b"".join(call.body)

    def _send(
        self,
        request: httputil.HTTPServerRequest,
        code: int,
        reason: str,
        fields: list[tuple[str, str]],
        body: bytes,
    ) -> None:
        headers = httputil.HTTPHeaders()
        for name, value in fields:
            headers.add(name, value)
        if code != 304:
            if "Content-Length" not in headers:
                headers.add("Content-Length", str(len(body)))
            if "Content-Type" not in headers:
                headers.add("Content-Type", "text/html; charset=UTF-8")
        if "Server" not in headers:
            headers.add("Server", f"TornadoServer/{tornado.version}")
        connection = request.connection
        assert connection is not None
        start_line = httputil.ResponseStartLine("HTTP/1.1", code, reason)
        connection.write_headers(start_line, headers, chunk=body)
        connection.finish()
        self._log(code, request)

    def environ(self, request: httputil.HTTPServerRequest) -> dict[str, Any]:
        """The WSGI environment of a request."""
        return environ_from(
            method=request.method or "",
            target=request.uri or "",
            version=request.version,
            headers=request.headers,
            host=request.host.lower(),
            protocol=request.protocol,
            remote_ip=request.remote_ip or "",
            root_path="",
            body=BytesIO(request.body or b""),
            multithread=self.executor is not dummy_executor,
        )

    def _log(self, status_code: int, request: httputil.HTTPServerRequest) -> None:
        if status_code < 400:
            log = access_log.info
        elif status_code < 500:
            log = access_log.warning
        else:
            log = access_log.error
        milliseconds = 1000.0 * request.request_time()
        summary = f"{request.method or ''} {request.uri or ''} ({request.remote_ip})"
        log("%d %s %.2fms", status_code, summary, milliseconds)


__getattr__ = handing_on("tornado.wsgi")
