"""`AsyncHTTPClient` over libcurl (`pycurl`): for what only libcurl can do.

```python
AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient")
```

Knows libcurl's multi interface and how it is driven by an IOLoop: libcurl reports the sockets and
the timeout it waits for, and is called when they are due. What one request sets on its handle is in
`_curl_requests`.
"""

from __future__ import annotations

import collections
import functools
import logging
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

try:
    import pycurl
except ImportError as _error:
    raise ImportError(
        "tornado.curl_httpclient needs the package pycurl (and libcurl): install "
        "tornado-trio[curl], or use the default client",
        name="pycurl",
    ) from _error

from typing import TYPE_CHECKING

from tornado import ioloop
from tornado._impl.client.curl_requests import (
    CR_OR_LF_RE,
    BodyBuffer,
    CurlError,
    MadeByProgram,
    _CurlStreamingBuffer,
    debug,
    set_up,
)
from tornado._impl.names import handing_on
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse, main
from tornado.httputil import HTTPHeaders
from tornado.log import app_log

__all__ = ["CR_OR_LF_RE", "CurlAsyncHTTPClient", "CurlError", "curl_log"]

curl_log = logging.getLogger("tornado.curl_httpclient")

_TIMINGS = {
    "namelookup": pycurl.NAMELOOKUP_TIME,
    "connect": pycurl.CONNECT_TIME,
    "appconnect": pycurl.APPCONNECT_TIME,
    "pretransfer": pycurl.PRETRANSFER_TIME,
    "starttransfer": pycurl.STARTTRANSFER_TIME,
    "total": pycurl.TOTAL_TIME,
    "redirect": pycurl.REDIRECT_TIME,
}
_EVENTS = {
    pycurl.POLL_NONE: ioloop.IOLoop.NONE,
    pycurl.POLL_IN: ioloop.IOLoop.READ,
    pycurl.POLL_OUT: ioloop.IOLoop.WRITE,
    pycurl.POLL_INOUT: ioloop.IOLoop.READ | ioloop.IOLoop.WRITE,
}
# libcurl's timer is exact as a rule; asking it once a second mends what bugs in some of
# its versions leave hanging.
_CHECK_EVERY_MS = 1000


class CurlAsyncHTTPClient(AsyncHTTPClient):
    """The client over libcurl.

    Arguments: `max_clients` requests at a time (more wait); `defaults` of requests;
    `max_body_size` of a response, decoded.
    """

    def initialize(  # type: ignore[override]
        self,
        max_clients: int = 10,
        defaults: dict[str, Any] | None = None,
        max_body_size: int = 104857600,
    ) -> None:
        super().initialize(defaults=defaults)
        self.max_body_size = max_body_size
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timeout)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._handle_socket)
        self._curls = [self._curl_create() for _ in range(max_clients)]
        for curl in self._curls:
            if isinstance(curl, MadeByProgram):
                curl.made = True
        self._free_list = self._curls[:]
        self._running: dict[Any, dict[str, Any]] = {}  # handle -> what it is doing
        self._requests: collections.deque[tuple[HTTPRequest, Callable[..., None], float]] = (
            collections.deque()
        )
        self._fds: dict[int, int] = {}
        self._timeout: object = None
        # From the loop and not from a callback: libcurl must not be called from its own.
        self._check = ioloop.PeriodicCallback(self._handle_force_timeout, _CHECK_EVERY_MS)
        self._check.start()
        # libcurl sometimes wants a first call before it asks for sockets or timers.
        self._handle_force_timeout()

    def close(self) -> None:
        if self._closed:
            return
        self._check.stop()
        self._set_timeout(-1)
        for fd in list(self._fds):
            self.io_loop.remove_handler(fd)
        self._fds.clear()
        for curl in list(self._running):
            self._multi.remove_handle(curl)
        self._running.clear()
        self._requests.clear()
        for curl in self._curls:
            curl.close()
        self._multi.close()
        super().close()
        # Both hold bound methods of this object, and pycurl's objects are not always
        # seen by the collector.
        self._curls = self._free_list = []
        self._multi = self._check = None  # type: ignore[assignment]

    def fetch_impl(self, request: HTTPRequest, callback: Callable[[HTTPResponse], None]) -> None:
        self._requests.append((request, callback, self.io_loop.time()))
        self._process_queue()
        self._set_timeout(0)

    # --- libcurl's wishes -----------------------------------------------------
    def _handle_socket(self, event: int, fd: int, multi: Any, data: bytes) -> None:
        """libcurl waits for something else on `fd` from now on."""
        # It may have closed the socket and opened another one of the same number: the old
        # registration would then be silently dead, so it is always made anew.
        if fd in self._fds:
            self.io_loop.remove_handler(fd)
            del self._fds[fd]
        if event != pycurl.POLL_REMOVE:
            wanted = _EVENTS[event]
            self.io_loop.add_handler(fd, self._handle_events, wanted)
            self._fds[fd] = wanted

    def _set_timeout(self, msecs: int) -> None:
        """libcurl wants to be called in `msecs`; -1: it does not."""
        if self._timeout is not None:
            self.io_loop.remove_timeout(self._timeout)
            self._timeout = None
        if msecs >= 0:
            at = self.io_loop.time() + msecs / 1000.0
            self._timeout = self.io_loop.add_timeout(at, self._handle_timeout)

    def _handle_events(self, fd: int, events: int) -> None:
        action = 0
        if events & ioloop.IOLoop.READ:
            action |= pycurl.CSELECT_IN
        if events & ioloop.IOLoop.WRITE:
            action |= pycurl.CSELECT_OUT
        self._socket_action(fd, action)

    def _handle_timeout(self) -> None:
        self._timeout = None
        self._socket_action(pycurl.SOCKET_TIMEOUT, 0)
        if self._closed:
            return
        # libcurl does not always set its timer from within a timeout.
        wanted = self._multi.timeout()
        if wanted >= 0:
            self._set_timeout(wanted)

    def _handle_force_timeout(self) -> None:
        self._socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _socket_action(self, fd: int, action: int) -> None:
        while True:
            try:
                result, _handles = self._multi.socket_action(fd, action)
            except pycurl.error as error:
                result = error.args[0]
            if result != pycurl.E_CALL_MULTI_PERFORM:
                break
        self._finish_pending_requests()

    # --- requests -------------------------------------------------------------
    def _finish_pending_requests(self) -> None:
        """Report what libcurl has completed, then start what waits."""
        multi = self._multi
        while True:
            queued, succeeded, failed = multi.info_read()
            for curl in succeeded:
                self._finish(curl)
            for curl, errnum, message in failed:
                self._finish(curl, errnum, message)
            if queued == 0 or self._closed:
                break
        if not self._closed:
            self._process_queue()

    def _process_queue(self) -> None:
        while self._free_list and self._requests:
            curl = self._free_list.pop()
            request, callback, queued_at = self._requests.popleft()
            now = self.io_loop.time()
            # On the handle, where programs that override the methods below look for it.
            info: dict[str, Any] = {
                "headers": HTTPHeaders(),
                "buffer": BytesIO(),
                "reason": None,
                "request": request,
                "callback": callback,
                "queue_start_time": queued_at,
                "curl_start_time": time.time(),
                "curl_start_ioloop_time": now,
            }
            curl.info = info
            try:
                self._curl_setup_request(curl, request, info["buffer"], info["headers"])
                self._multi.add_handle(curl)
            except Exception as error:
                curl.info = None
                curl.reset()
                self._free_list.append(curl)
                self._report(callback, HTTPResponse(request=request, code=599, error=error))
            else:
                self._running[curl] = info

    def _curl_create(self) -> Any:
        """A handle. Options that an override sets on it hold for all its requests."""
        if type(self)._curl_create is CurlAsyncHTTPClient._curl_create:
            return pycurl.Curl()
        return MadeByProgram()

    def _curl_setup_request(
        self, curl: Any, request: HTTPRequest, buffer: BytesIO, headers: HTTPHeaders
    ) -> None:
        """Set the options of one request: an override sets more, or others.

        `buffer` and `headers` will be those of the response; `curl.info` has the rest.
        """
        if curl_log.isEnabledFor(logging.DEBUG):
            curl.setopt(pycurl.VERBOSE, 1)
            curl.setopt(pycurl.DEBUGFUNCTION, functools.partial(debug, curl_log))
        set_up(self, curl, request, curl.info)

    def _finish(
        self, curl: Any, curl_error: int | None = None, curl_message: str | None = None
    ) -> None:
        """The transfer of `curl` is over."""
        info = self._running.pop(curl)
        curl.info = None
        self._multi.remove_handle(curl)
        body: BodyBuffer | _CurlStreamingBuffer = info["body"]
        request: HTTPRequest = info["request"]
        if curl_error is None:
            error: CurlError | None = None
            code = curl.getinfo(pycurl.HTTP_CODE)
            effective_url = curl.getinfo(pycurl.EFFECTIVE_URL)
        else:
            error = CurlError(curl_error, body.explain(info.get("refused") or curl_message))
            code = error.code
            effective_url = None
        buffer = body.finish(error)
        time_info = {name: curl.getinfo(option) for name, option in _TIMINGS.items()}
        time_info["queue"] = info["curl_start_ioloop_time"] - info["queue_start_time"]
        # Nothing of a request may stay behind: credentials, proxies, certificates, and the
        # cycle of handle, callbacks and client. The handle's connections do.
        curl.reset()
        self._free_list.append(curl)
        response = HTTPResponse(
            request=request,
            code=code,
            headers=info["headers"],
            buffer=buffer,
            effective_url=effective_url,
            error=error,
            reason=info["reason"],
            request_time=self.io_loop.time() - info["curl_start_ioloop_time"],
            start_time=info["curl_start_time"],
            time_info=time_info,
        )
        self._report(info["callback"], response)

    def _report(self, callback: Callable[[HTTPResponse], None], response: HTTPResponse) -> None:
        try:
            callback(response)
        except Exception:
            self.handle_callback_exception(callback)

    def handle_callback_exception(self, callback: Any) -> None:
        """An exception that cannot be reported elsewhere."""
        app_log.error("Exception in callback %r", callback, exc_info=True)


if __name__ == "__main__":
    AsyncHTTPClient.configure(CurlAsyncHTTPClient)
    main()


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.curl_httpclient")
