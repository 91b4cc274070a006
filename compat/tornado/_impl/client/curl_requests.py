"""What one request sets on its libcurl handle, and where its response goes.

Knows pycurl's easy handle. Must not know the multi interface (`curl_httpclient`).
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pycurl
from tornado import gen, httputil
from tornado.escape import native_str, utf8
from tornado.httpclient import HTTPError, HTTPRequest
from tornado.log import app_log, gen_log

from tornado_trio.wire import abnf
from tornado_trio.wire.headers import SECRET_FIELDS

CR_OR_LF_RE = re.compile(b"\r|\n")

# Methods with an option of their own; anything else is a CUSTOMREQUEST.
_METHOD_OPTIONS = {
    "GET": pycurl.HTTPGET,
    "POST": pycurl.POST,
    "PUT": pycurl.UPLOAD,
    "HEAD": pycurl.NOBODY,
}
_CUSTOM_METHODS = frozenset({"DELETE", "OPTIONS", "PATCH"})
_BODY_EXPECTED = frozenset({"POST", "PATCH", "PUT"})


class CurlError(HTTPError):
    """A transfer that failed. `errno` is libcurl's code, `code` is 599."""

    __module__ = "tornado.curl_httpclient"

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(599, message)
        self.errno = errno


class MadeByProgram(pycurl.Curl):  # type: ignore[misc]
    """A handle whose options from before it was `made` outlive a `reset`."""

    def __init__(self) -> None:
        super().__init__()
        self.made = False  # here: attributes of the class would hide the object's
        self._kept: list[tuple[int, Any]] = []

    def setopt(self, option: int, value: Any) -> None:
        if not self.made:
            self._kept.append((option, value))
        super().setopt(option, value)

    def reset(self) -> None:
        super().reset()
        for option, value in self._kept:
            super().setopt(option, value)


class BodyBuffer:
    """A body kept in memory, up to the client's `max_body_size`."""

    def __init__(self, max_body_size: int, buffer: BytesIO) -> None:
        self.body_too_large = False
        self._buffer = buffer
        self._left = self._limit = max_body_size

    def write(self, chunk: bytes) -> int:
        """libcurl's WRITEFUNCTION. Less than the length makes the transfer fail."""
        self._left -= len(chunk)
        if self._left < 0:
            self.body_too_large = True
            return 0
        return self._buffer.write(chunk)

    def explain(self, message: str | None) -> str:
        """The text of the transfer's error: libcurl knows only that writing failed."""
        if self.body_too_large:
            return f"Response body exceeds max_body_size ({self._limit} bytes)"
        return message or "unknown error"

    def finish(self, error: BaseException | None) -> BytesIO | None:
        """The body, when the transfer is over."""
        if error is not None:
            self._buffer.close()
            return None
        self._buffer.seek(0)
        return self._buffer


class _CurlStreamingBuffer:
    """Hands a body to a `streaming_callback`, from the loop and not from within libcurl.

    When `max_buffer_size` bytes wait, the transfer is paused until they are taken. One
    chunk may exceed it, since libcurl cannot deliver a part of one.
    """

    max_buffer_size = 1024 * 1024

    def __init__(self, client: Any, curl: Any, callback: Callable[[bytes], Any]) -> None:
        self.client = client
        self.curl = curl
        self.callback = callback
        self.paused = False
        self.body_too_large = False
        self._chunks: list[bytes] = []
        self._size = 0
        self._total = 0
        self._scheduled = False

    def write(self, chunk: bytes) -> int:
        """libcurl's WRITEFUNCTION."""
        size = len(chunk)
        if self._total + size > self.client.max_body_size:
            self.body_too_large = True
            return 0
        if self._chunks and self._size + size > self.max_buffer_size:
            # libcurl keeps this chunk and delivers it again.
            self.paused = True
            return int(pycurl.WRITEFUNC_PAUSE)
        self._total += size
        self._size += size
        self._chunks.append(chunk)
        if not self._scheduled:
            self._scheduled = True
            self.client.io_loop.add_callback(self.flush)
        return size

    def flush(self) -> None:
        """Give everything to the callback; then let the transfer go on."""
        self._scheduled = False
        chunks, self._chunks, self._size = self._chunks, [], 0
        for chunk in chunks:
            try:
                self.callback(chunk)
            except Exception:
                app_log.error("Exception in callback %r", self.callback, exc_info=True)
        if not self.paused:
            return
        self.paused = False
        try:
            self.curl.pause(pycurl.PAUSE_CONT)
        except pycurl.error:
            # The transfer failed while it was paused: libcurl reports that as the end of
            # the transfer too, where it belongs.
            return
        # Only libcurl 8 says by itself that the transfer can go on.
        self.client._set_timeout(0)

    def explain(self, message: str | None) -> str:
        """See `BodyBuffer.explain`."""
        if self.body_too_large:
            return f"Response body exceeds max_body_size ({self.client.max_body_size} bytes)"
        return message or "unknown error"

    def finish(self, error: BaseException | None) -> BytesIO | None:
        """Deliver what is left, the end last."""
        self.paused = False
        self.flush()
        # A flush may still be scheduled: it will find nothing, and must not keep us alive.
        self.client = self.curl = None
        return None if error is not None else BytesIO()


def set_up(client: Any, curl: Any, request: HTTPRequest, info: dict[str, Any]) -> None:
    """Set every option of a freshly reset handle. Raises for what cannot be sent."""
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.URL, native_str(request.url))
    _only_http(curl)
    _set_headers(client, curl, request, info)
    _set_transfer(client, curl, request, info)
    _set_network(curl, request)
    _set_tls(curl, request)
    _set_method(curl, request)
    _set_auth(curl, request)
    if request.prepare_curl_callback is not None:
        request.prepare_curl_callback(curl)


def _only_http(curl: Any) -> None:
    """No file:, ftp: and so on, neither directly nor by a redirect."""
    protocols = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
    curl.setopt(pycurl.PROTOCOLS, protocols)
    curl.setopt(pycurl.REDIR_PROTOCOLS, protocols)


def _set_headers(client: Any, curl: Any, request: HTTPRequest, info: dict[str, Any]) -> None:
    headers = request.headers
    for name, value in list(headers.items()):
        if isinstance(value, bytes):
            headers[name] = value.decode("latin-1")
    # libcurl adds these by itself; an empty value keeps it from that.
    if request.expect_100_continue:
        headers["Expect"] = "100-continue"
    elif "Expect" not in headers:
        headers["Expect"] = ""
    if "Pragma" not in headers:
        headers["Pragma"] = ""
    lines: dict[int, list[bytes]] = {pycurl.HTTPHEADER: [], pycurl.PROXYHEADER: []}
    for name, value in headers.get_all():
        raw_name, raw_value = name.encode("latin-1"), value.encode("latin-1")
        if CR_OR_LF_RE.search(raw_name) or CR_OR_LF_RE.search(raw_value):
            shown = "..." if name.lower() in SECRET_FIELDS else repr(value)
            raise ValueError(f"Illegal characters (CR or LF) in header {name!r}: {shown}")
        # For proxies only: libcurl keeps Authorization and Cookie from other origins when it
        # follows a redirect, this one it would tell them.
        proxy = raw_name.lower() == b"proxy-authorization"
        to = lines[pycurl.PROXYHEADER if proxy else pycurl.HTTPHEADER]
        # "Name;" is libcurl's spelling of a field with an empty value, "Name:" of none.
        if not raw_value and name not in ("Expect", "Pragma"):
            to.append(raw_name + b";")
        else:
            to.append(raw_name + b": " + raw_value)
    for option, fields in lines.items():
        curl.setopt(option, fields)

    def on_header(line: bytes) -> int | None:
        return _header_line(client, info, request.header_callback, line)

    curl.setopt(pycurl.HEADERFUNCTION, on_header)


def _header_line(
    client: Any, info: dict[str, Any], callback: Callable[[str], Any] | None, line: bytes
) -> int | None:
    """libcurl's HEADERFUNCTION; a number that is not the length ends the transfer."""
    text = native_str(line.decode("latin-1"))
    if callback is not None:
        client.io_loop.add_callback(callback, text)
    text = text.rstrip("\r\n")
    if text.startswith("HTTP/"):
        # The first line of another response: a redirect's, or after an informational one.
        info["headers"].clear()
        try:
            info["reason"] = httputil.parse_response_start_line(text).reason
        except httputil.HTTPInputError:
            info["reason"] = text.partition(" ")[2].partition(" ")[2] or None
    elif text:
        try:
            info["headers"].parse_line(text)
        except httputil.HTTPInputError as error:
            gen_log.info("Malformed HTTP message: %s", error)
            info["refused"] = f"Malformed HTTP message: {error}"
            return 0
    return None


def _set_transfer(client: Any, curl: Any, request: HTTPRequest, info: dict[str, Any]) -> None:
    callback = request.streaming_callback
    if callback is not None:
        if gen.is_coroutine_function(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("'CurlAsyncHTTPClient' does not support async streaming_callbacks.")
        body: Any = _CurlStreamingBuffer(client, curl, callback)
    else:
        body = BodyBuffer(client.max_body_size, info["buffer"])
    info["body"] = body
    curl.setopt(pycurl.WRITEFUNCTION, body.write)
    curl.setopt(pycurl.FOLLOWLOCATION, bool(request.follow_redirects))
    curl.setopt(pycurl.MAXREDIRS, int(request.max_redirects or 0))
    if not request.max_redirects:
        curl.setopt(pycurl.FOLLOWLOCATION, False)
    for option, seconds in (
        (pycurl.CONNECTTIMEOUT_MS, request.connect_timeout),
        (pycurl.TIMEOUT_MS, request.request_timeout),
    ):
        # 0 means 300 seconds for connecting in libcurl, and none in Tornado.
        curl.setopt(option, int(1000 * (seconds or 10**6)))
    if request.user_agent:
        curl.setopt(pycurl.USERAGENT, native_str(request.user_agent))
    else:
        curl.setopt(pycurl.USERAGENT, "Mozilla/5.0 (compatible; pycurl)")
    if request.decompress_response:
        curl.setopt(pycurl.ENCODING, "gzip,deflate")


def _set_network(curl: Any, request: HTTPRequest) -> None:
    if request.network_interface:
        curl.setopt(pycurl.INTERFACE, request.network_interface)
    if request.allow_ipv6 is False:
        curl.setopt(pycurl.IPRESOLVE, pycurl.IPRESOLVE_V4)
    if not (request.proxy_host and request.proxy_port):
        return
    curl.setopt(pycurl.PROXY, request.proxy_host)
    curl.setopt(pycurl.PROXYPORT, request.proxy_port)
    if request.proxy_username:
        assert request.proxy_password is not None
        pair = httputil.encode_username_password(request.proxy_username, request.proxy_password)
        curl.setopt(pycurl.PROXYUSERPWD, pair)
    mode = request.proxy_auth_mode
    if mode in (None, "basic"):
        curl.setopt(pycurl.PROXYAUTH, pycurl.HTTPAUTH_BASIC)
    elif mode == "digest":
        curl.setopt(pycurl.PROXYAUTH, pycurl.HTTPAUTH_DIGEST)
    else:
        raise ValueError(f"Unsupported proxy_auth_mode {mode}")


def _set_tls(curl: Any, request: HTTPRequest) -> None:
    if request.ssl_options is not None:
        raise ValueError("ssl_options not supported in curl_httpclient")
    if not request.validate_cert:
        curl.setopt(pycurl.SSL_VERIFYPEER, 0)
        curl.setopt(pycurl.SSL_VERIFYHOST, 0)
    if request.ca_certs is not None:
        curl.setopt(pycurl.CAINFO, request.ca_certs)
    if request.client_cert is not None:
        curl.setopt(pycurl.SSLCERT, request.client_cert)
    if request.client_key is not None:
        curl.setopt(pycurl.SSLKEY, request.client_key)


def _set_method(curl: Any, request: HTTPRequest) -> None:
    method = request.method
    option = _METHOD_OPTIONS.get(method)
    if option is None and not (method in _CUSTOM_METHODS or request.allow_nonstandard_methods):
        raise KeyError(f"unknown method {method}")
    if abnf.method.fullmatch(method) is None:
        # libcurl would send any text (CVE-2023-49082 is aiohttp's).
        raise ValueError(f"Invalid HTTP method: {method!r}")
    if request.body_producer is not None:
        raise NotImplementedError("body_producer is not supported by curl_httpclient")
    body = request.body
    if not request.allow_nonstandard_methods:
        expected = method in _BODY_EXPECTED
        if expected != (body is not None):
            raise ValueError(
                f"Body must {'not ' if expected else ''}be None for method {method} "
                "(unless allow_nonstandard_methods is true)"
            )
    if method == "GET" and body is not None:
        raise ValueError("Body must be None for GET request")
    if option is None:
        curl.setopt(pycurl.CUSTOMREQUEST, method)
    else:
        curl.setopt(option, True)
    if method in _BODY_EXPECTED or body is not None:
        _set_body(curl, method, utf8(body or b""))


def _set_body(curl: Any, method: str, body: bytes) -> None:
    source = BytesIO(body)
    if method not in ("POST", "PUT"):
        curl.setopt(pycurl.UPLOAD, 1)
        curl.setopt(pycurl.CUSTOMREQUEST, method)
    curl.setopt(pycurl.READFUNCTION, source.read)

    def rewind(command: int) -> None:
        # libcurl reads the body again after a redirect or a challenge.
        if command == pycurl.IOCMD_RESTARTREAD:
            source.seek(0)

    curl.setopt(pycurl.IOCTLFUNCTION, rewind)
    curl.setopt(pycurl.POSTFIELDSIZE if method == "POST" else pycurl.INFILESIZE, len(body))


def _set_auth(curl: Any, request: HTTPRequest) -> None:
    if request.auth_username is None:
        return
    mode = request.auth_mode
    if mode in (None, "basic"):
        curl.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_BASIC)
    elif mode == "digest":
        curl.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_DIGEST)
    else:
        raise ValueError(f"Unsupported auth_mode {mode}")
    pair = httputil.encode_username_password(request.auth_username, request.auth_password or "")
    curl.setopt(pycurl.USERPWD, pair)


def debug(log: logging.Logger, kind: int, data: bytes) -> None:
    """libcurl's DEBUGFUNCTION: text and header lines, never bodies."""
    names = {0: "*", 1: "<", 2: ">"}
    if kind in names:
        for line in data.decode("latin-1").splitlines():
            log.debug("%s %s", names[kind], line)
