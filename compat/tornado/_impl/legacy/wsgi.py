"""Tornado applications inside WSGI servers, as `tornado.wsgi` had them until 5.

The opposite of `WSGIContainer`: nothing here needs an IOLoop. A handler runs to its end
within the WSGI call, so whatever really waits is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from tornado import httputil, web
from tornado._impl.generation import old_idiom

__all__ = ["WSGIAdapter", "WSGIApplication", "from_wsgi_str"]


_UNPREFIXED = ("CONTENT_TYPE", "CONTENT_LENGTH")


def from_wsgi_str(s: str) -> bytes:
    """The bytes of a native string of PEP 3333."""
    return s.encode("latin1")


class _Done:
    """What output methods return here: all was taken. The few things Futures are asked."""

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield

    def done(self) -> bool:
        return True

    def result(self, timeout: float | None = None) -> None:
        return None

    def exception(self, timeout: float | None = None) -> None:
        return None

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        callback(self)


_DONE = _Done()


class _Context:
    """The connection's side of a request: who asked, and how."""

    def __init__(self, remote_ip: str, protocol: str) -> None:
        self.remote_ip = remote_ip
        self.protocol = protocol

    def __str__(self) -> str:
        return self.remote_ip


class _WSGIConnection(httputil.HTTPConnection):
    """Collects a response for a WSGI server."""

    finished = False
    _broken = False
    _left: int | None = None

    def __init__(self, method: str, start_response: Callable[..., Any], context: _Context) -> None:
        self.method = method
        self.start_response = start_response
        self.context = context
        self.body: list[bytes] = []

    def set_close_callback(self, callback: Any) -> None:
        """WSGI does not tell of clients that leave."""

    def write_headers(self, start_line: Any, headers: Any, chunk: Any = None) -> Any:
        """Tell the server status and headers; keep the first bytes of the body."""
        if self._broken:
            raise httputil.HTTPOutputError("The response was broken off")
        self._left = None
        if self.method != "HEAD" and start_line.code != 304 and "Content-Length" in headers:
            self._left = int(headers["Content-Length"])
        if chunk:
            self.write(chunk)  # first: the server is notified once, and of what can be sent
        status = f"{start_line.code} {start_line.reason}"
        self.start_response(status, [(str(k), str(v)) for k, v in headers.get_all()])
        return _DONE

    def write(self, chunk: bytes) -> Any:
        """Keep bytes of the body."""
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise httputil.HTTPOutputError("Tried to write more data than Content-Length")
        self.body.append(chunk)
        return _DONE

    def finish(self) -> Any:
        """The response is complete."""
        if self._left:
            raise httputil.HTTPOutputError(
                f"Tried to write {self._left} bytes less than Content-Length"
            )
        self.finished = True
        return _DONE

    def abort(self) -> None:
        """A broken response: the WSGI server gets an exception."""
        self._broken = True

    close = abort


class WSGIAdapter:
    """An `Application` (or a callback for requests) as a WSGI application."""

    def __init__(self, application: Any) -> None:
        old_idiom("WSGIAdapter")
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        request, connection = _request(environ, start_response)
        if isinstance(self.application, web.Application):
            _run(self.application, request)
        else:
            self.application(request)
        if not connection.finished:
            raise Exception("request did not finish synchronously")
        return connection.body


def _request(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> tuple[httputil.HTTPServerRequest, _WSGIConnection]:
    """The request of a WSGI environment."""
    from urllib.parse import quote

    method = environ["REQUEST_METHOD"]
    uri = quote(from_wsgi_str(environ.get("SCRIPT_NAME", "")))
    uri += quote(from_wsgi_str(environ.get("PATH_INFO", "")))
    if environ.get("QUERY_STRING"):
        uri += "?" + environ["QUERY_STRING"]
    # PEP 3333: two fields of the head have variables of their own.
    fields = {key[5:]: value for key, value in environ.items() if key[:5] == "HTTP_"}
    fields |= {key: environ[key] for key in _UNPREFIXED if environ.get(key)}
    headers = httputil.HTTPHeaders({key.replace("_", "-"): fields[key] for key in fields})
    length = int(headers.get("Content-Length") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    context = _Context(environ.get("REMOTE_ADDR", ""), environ["wsgi.url_scheme"])
    connection = _WSGIConnection(method, start_response, context)
    if "Host" not in headers:
        headers["Host"] = environ["SERVER_NAME"]
    start_line = httputil.RequestStartLine(method, uri or "/", "HTTP/1.1")
    request = httputil.HTTPServerRequest(
        start_line=start_line, headers=headers, body=body, connection=connection
    )
    request._parse_body()
    return request, connection


def _run(application: web.Application, request: httputil.HTTPServerRequest) -> None:
    """Run the handler of a request to its end, here and now."""
    call = application.find_handler(request)
    handler, transforms = call.start()
    coroutine = handler._execute(transforms, *call.path_args, **call.path_kwargs)
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise Exception("request did not finish synchronously")


class WSGIApplication(web.Application):
    """An application that is a WSGI application itself."""

    def __call__(self, environ: Any, start_response: Any) -> Any:  # type: ignore[override]
        return WSGIAdapter(self)(environ, start_response)
