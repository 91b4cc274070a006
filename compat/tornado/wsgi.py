"""`tornado.wsgi`: WSGI applications on this server.

Knows WSGI (PEP 3333) and requests; runs the application in the loop's thread or on an
executor of the caller's.
"""

from __future__ import annotations

import concurrent.futures
import sys
from collections.abc import Callable
from io import BytesIO
from typing import Any

import tornado
from tornado import httputil
from tornado._impl.generation import before
from tornado._impl.names import handing_on
from tornado.concurrent import dummy_executor
from tornado.escape import url_unescape
from tornado.ioloop import IOLoop
from tornado.log import access_log, app_log

__all__ = ["HTTPRequest", "WSGIContainer", "to_wsgi_str"]

HTTPRequest = httputil.HTTPServerRequest
WSGIAppType = Callable[[dict[str, Any], Callable[..., Any]], Any]


def to_wsgi_str(s: bytes) -> str:
    """Bytes as the native string of PEP 3333: each character a byte."""
    if not isinstance(s, bytes):
        raise AssertionError(f"expected bytes, got {s!r}")
    return s.decode("latin1")


class WSGIContainer:
    """Makes a WSGI application a callback for `HTTPServer`, routers and `FallbackHandler`.

    WSGI is synchronous: without an `executor` the application runs in the loop's thread, one
    request at a time. With one (a `ThreadPoolExecutor`) it runs there, and must be
    thread-safe.
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
        """Run the application for one request and send what it says.

        An application that fails is logged and answered for with 500.
        """
        try:
            self._send(request, *await self._answer(request))
        except Exception:
            # Sending fails too, before anything was sent: line breaks in fields are refused.
            app_log.error("Uncaught exception in WSGI application", exc_info=True)
            if before(5):
                request.connection.close()  # then, the client saw the connection close
                return
            error = [("Content-Type", "text/plain")]
            message = b"500: Internal Server Error"
            self._send(request, "500 Internal Server Error", error, message)

    async def _answer(self, request: httputil.HTTPServerRequest) -> tuple[str, Any, bytes]:
        head: list[Any] = []
        body: list[bytes] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], Any]:
            if head and exc_info is None:
                raise AssertionError("start_response called twice")
            head[:] = [status, headers]
            return body.append

        await self._run(self._collect, self.environ(request), start_response, body)
        if not head:
            raise Exception("WSGI app did not call start_response")
        status, fields = head
        return status, fields, b"".join(body)

    async def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        if self.executor is dummy_executor:
            return function(*args)
        return await IOLoop.current().run_in_executor(self.executor, function, *args)

    def _collect(
        self, environ: dict[str, Any], start_response: Callable[..., Any], body: list[bytes]
    ) -> None:
        """Call the application and read its whole response, all in the same thread."""
        response = self.wsgi_application(environ, start_response)
        try:
            # Not extend(): what write() was given meanwhile keeps its place.
            for chunk in response:
                body.append(chunk)  # noqa: PERF402
        finally:
            if hasattr(response, "close"):
                response.close()

    def _send(
        self, request: httputil.HTTPServerRequest, status: str, fields: Any, body: bytes
    ) -> None:
        code_text, _, reason = status.partition(" ")
        code = int(code_text)
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
        host, port = httputil.split_host_and_port(request.host.lower())
        if port is None:
            port = 443 if request.protocol == "https" else 80
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": to_wsgi_str(url_unescape(request.path, encoding=None, plus=False)),
            "QUERY_STRING": request.query,
            "REMOTE_ADDR": request.remote_ip,
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": request.version,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": request.protocol,
            "wsgi.input": BytesIO(request.body or b""),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": self.executor is not dummy_executor,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        headers = request.headers
        # These two have no HTTP_ prefix. The copies with a prefix are left out: an
        # application would not know which to believe.
        if "Content-Type" in headers:
            environ["CONTENT_TYPE"] = headers["Content-Type"]
        if "Content-Length" in headers:
            environ["CONTENT_LENGTH"] = headers["Content-Length"]
        for name, value in headers.items():
            # "_" in a field's name would let a client forge another field (X_Real_Ip).
            if name not in ("Content-Type", "Content-Length") and "_" not in name:
                environ["HTTP_" + name.replace("-", "_").upper()] = value
        return environ

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
