"""Names that upstream's modules have because they import them, and that programs use.

`tornado.web.gen`, `tornado.httputil.urlencode`, `tornado.iostream.errno`: no documentation names
them, and code in use reads them. The table holds those of 4.5.3, 5.1.1 and 6.6.1, taken from
what the import statements of those releases bind. It is loaded when a module of ours is asked
for a name that it does not have (`tornado._impl.names.handing_on`), so that it costs nothing
before; what is found stays in the module. Neither `dir()` nor ``import *`` shows these names.

Where releases differ in what a name is (``urlencode`` of Python 2), the newest one counts.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from typing import Any

from tornado._impl.refused import refusal

__all__ = ["TABLE", "find", "targets"]

#: Module -> lines of "source: names". A name is an attribute of the source, or, under
#: `modules`, a module itself; `name=other` is called `other` in its source.
TABLE: dict[str, str] = {
    "tornado": """
        modules: importlib typing
        """,
    "tornado.auth": """
        modules: base64 binascii functools hashlib hmac re time urllib urllib_parse=urllib.parse
            urlparse=urllib.parse uuid warnings
        tornado: escape gen httpclient
        collections.abc: Iterable
        tornado.concurrent: Future TracebackFuture _non_deprecated_return_future=return_future
            chain_future future_set_exc_info future_set_result_unless_cancelled return_future
        tornado.httputil: url_concat
        tornado.log: gen_log
        tornado.stack_context: ExceptionStackContext wrap
        tornado.util: ArgReplacer PY3 unicode_type
        tornado.web: RequestHandler
        typing: Any cast
        """,
    "tornado.autoreload": """
        modules: functools importlib logging os pkgutil signal subprocess sys traceback types
            weakref
        tornado: ioloop process
        collections.abc: Callable
        tornado.log: gen_log
        tornado.util: exec_in
        """,
    "tornado.concurrent": """
        modules: asyncio functools futures=concurrent.futures platform sys textwrap traceback
            types typing warnings
        collections.abc: Callable
        tornado.log: app_log
        tornado.stack_context: ExceptionStackContext wrap
        tornado.util: ArgReplacer is_finalizing raise_exc_info
        typing: Any Union
        """,
    "tornado.curl_httpclient": """
        modules: collections functools inspect logging pycurl re threading time
        collections.abc: Callable
        io: BytesIO
        tornado: gen httputil ioloop stack_context
        tornado.escape: native_str utf8
        tornado.httpclient: AsyncHTTPClient HTTPError HTTPRequest HTTPResponse main
        tornado.log: app_log
        typing: Any
        """,
    "tornado.escape": """
        modules: binascii html htmlentitydefs=html.entities json re typing urllib
            urllib_parse=urllib.parse
        collections.abc: Callable
        tornado.util: PY3 basestring_type unicode_type
        typing: Any
        urllib.parse: _parse_qs=parse_qs
        """,
    "tornado.gen": """
        modules: asyncio builtins collections concurrent contextvars datetime functools
            itertools os sys textwrap tornado types typing warnings weakref
        tornado: stack_context
        collections.abc: Awaitable Callable Generator Iterable Mapping Sequence
        functools: singledispatch
        inspect: isawaitable
        tornado.concurrent: Future TracebackFuture chain_future future_add_done_callback
            future_set_exc_info future_set_result_unless_cancelled is_future
        tornado.ioloop: IOLoop
        tornado.log: app_log
        tornado.util: PY3 TimeoutError raise_exc_info
        types: GeneratorType
        typing: Any Dict List Tuple Type Union overload
        """,
    "tornado.http1connection": """
        modules: asyncio logging re types warnings zlib
        tornado: gen httputil iostream stack_context
        collections.abc: Awaitable Callable
        tornado.concurrent: Future future_add_done_callback future_set_result_unless_cancelled
        tornado.escape: native_str utf8
        tornado.log: app_log gen_log
        tornado.util: GzipDecompressor PY3
        typing: Optional Type cast
        """,
    "tornado.httpclient": """
        modules: datetime functools ssl time warnings weakref
        tornado: gen httputil stack_context
        collections.abc: Awaitable Callable
        io: BytesIO
        tornado.concurrent: Future TracebackFuture future_set_exception_unless_cancelled
            future_set_result_unless_cancelled
        tornado.escape: native_str utf8
        tornado.ioloop: IOLoop
        tornado.util: Configurable
        typing: Any Optional Type Union cast
        """,
    "tornado.httpserver": """
        modules: socket ssl typing
        tornado: gen httputil iostream netutil
        collections.abc: Awaitable Callable
        tornado.escape: native_str
        tornado.http1connection: HTTP1ConnectionParameters HTTP1ServerConnection
        tornado.tcpserver: TCPServer
        tornado.util: Configurable
        typing: Any
        """,
    "tornado.httputil": """
        modules: Cookie=http.cookies calendar collections copy dataclasses datetime email http
            numbers re time typing unicodedata warnings
        collections.abc: Awaitable Generator Iterable Iterator Mapping
        functools: lru_cache
        http.client: responses
        ssl: SSLError
        tornado.escape: native_str parse_qs_bytes to_unicode utf8
        tornado.log: gen_log
        tornado.util: ObjectDict PY3 unicode_type
        typing: AnyStr
        urllib.parse: parse_qsl urlencode urlparse urlunparse
        """,
    "tornado.ioloop": """
        modules: asyncio collections concurrent datetime errno functools heapq itertools logging
            math numbers os random select signal sys thread=_thread threading time traceback
            typing warnings
        tornado: stack_context
        collections.abc: Awaitable Callable
        concurrent.futures: ThreadPoolExecutor
        inspect: isawaitable
        tornado.concurrent: Future TracebackFuture chain_future future_add_done_callback
            future_set_exc_info is_future
        tornado.log: app_log gen_log
        tornado.platform.auto: Waker set_close_exec
        tornado.util: Configurable PY3 TimeoutError errno_from_exception import_object
            timedelta_to_seconds unicode_type
        typing: Any Protocol TypeVar TypedDict
        """,
    "tornado.iostream": """
        modules: asyncio collections errno io numbers os re socket ssl sys typing warnings
        tornado: ioloop stack_context
        collections.abc: Awaitable Callable
        re: Pattern
        tornado.concurrent: Future TracebackFuture future_set_result_unless_cancelled
        tornado.log: app_log gen_log
        tornado.netutil: SSLCertificateError _client_ssl_defaults _server_ssl_defaults
            ssl_match_hostname ssl_wrap_socket
        tornado.util: errno_from_exception
        types: TracebackType
        typing: Any TypeVar
        """,
    "tornado.locale": """
        modules: codecs csv datetime gettext glob numbers os re
        tornado: escape
        collections.abc: Iterable
        io: BytesIO
        tornado._locale_data: LOCALE_NAMES
        tornado.log: gen_log
        tornado.util: PY3
        typing: Any
        """,
    "tornado.locks": """
        modules: collections datetime types
        tornado: gen ioloop
        collections.abc: Awaitable
        concurrent.futures: CancelledError
        tornado.concurrent: Future future_set_result_unless_cancelled
        typing: Any Optional Type
        """,
    "tornado.log": """
        modules: colorama curses logging sys
        tornado.escape: _unicode
        tornado.util: basestring_type unicode_type
        typing: Any cast
        """,
    "tornado.netutil": """
        modules: asyncio certifi concurrent errno functools os socket ssl stat sys
        tornado: gen
        collections.abc: Awaitable Callable
        tornado.concurrent: dummy_executor run_on_executor
        tornado.ioloop: IOLoop
        tornado.platform.auto: set_close_exec
        tornado.util: Configurable PY3 errno_from_exception
        typing: Any
        """,
    "tornado.options": """
        modules: datetime numbers os re sys textwrap
        tornado: stack_context
        collections.abc: Callable Iterable Iterator
        tornado.escape: _unicode native_str
        tornado.log: define_logging_options
        tornado.util: basestring_type exec_in
        typing: Any TextIO
        """,
    "tornado.platform.asyncio": """
        modules: asyncio atexit concurrent contextvars errno functools select socket sys
            threading tornado typing warnings
        tornado: stack_context
        collections.abc: Callable
        tornado.gen: _Yieldable convert_yielded
        tornado.ioloop: IOLoop _Selectable
        typing: Any Protocol TypeVar Union
        """,
    "tornado.platform.auto": """
        modules: os
        time: monotonic_time=monotonic
        tornado.platform.posix: Waker set_close_exec
        """,
    "tornado.platform.caresresolver": """
        modules: pycares socket typing
        collections.abc: Generator
        tornado: gen
        tornado.concurrent: Future
        tornado.ioloop: IOLoop
        tornado.netutil: Resolver is_valid_ip
        typing: Any
        """,
    "tornado.platform.common": """
        modules: errno socket time
        modules: interface=tornado.platform.interface
        tornado.util: errno_from_exception
        """,
    "tornado.platform.epoll": """
        modules: select
        tornado.ioloop: PollIOLoop
        """,
    "tornado.platform.kqueue": """
        modules: select
        tornado.ioloop: IOLoop PollIOLoop
        """,
    "tornado.platform.posix": """
        modules: fcntl os
        modules: common=tornado.platform.common interface=tornado.platform.interface
        """,
    "tornado.platform.select": """
        modules: select
        tornado.ioloop: IOLoop PollIOLoop
        """,
    "tornado.platform.twisted": """
        modules: datetime functools numbers socket sys tornado twisted typing
        tornado: gen
        tornado.concurrent: Future future_set_exc_info
        tornado.escape: utf8
        tornado.ioloop: IOLoop
        tornado.log: app_log
        tornado.netutil: Resolver
        tornado.stack_context: NullContext wrap
        tornado.util: timedelta_to_seconds
        twisted.internet: error
        twisted.internet.defer: Deferred
        twisted.internet.interfaces: IDelayedCall IReactorFDSet IReactorTime IReadDescriptor
            IWriteDescriptor
        twisted.internet.posixbase: PosixReactorBase
        twisted.python: failure log
        zope.interface: implementer
        """,
    "tornado.platform.windows": """
        modules: ctypes
        """,
    "tornado.process": """
        modules: asyncio errno multiprocessing os signal subprocess sys time
        tornado: ioloop stack_context
        binascii: hexlify
        collections.abc: Callable
        tornado.concurrent: Future future_set_exception_unless_cancelled
            future_set_result_unless_cancelled
        tornado.iostream: PipeIOStream
        tornado.log: gen_log
        tornado.platform.auto: set_close_exec
        tornado.util: PY3 errno_from_exception
        typing: Any
        """,
    "tornado.queues": """
        modules: collections datetime heapq
        tornado: gen ioloop
        collections.abc: Awaitable
        tornado.concurrent: Future future_set_result_unless_cancelled
        tornado.locks: Event
        typing: Any Generic TypeVar
        """,
    "tornado.routing": """
        modules: re typing
        tornado: httputil
        collections.abc: Awaitable Sequence
        functools: partial
        re: Pattern
        tornado.escape: url_escape url_unescape utf8
        tornado.httpserver: _CallableAdapter
        tornado.log: app_log
        tornado.util: basestring_type import_object re_unescape unicode_type
        typing: Any Union overload
        """,
    "tornado.simple_httpclient": """
        modules: base64 certifi collections copy functools re socket ssl sys time urllib
            urlparse=urllib.parse
        tornado: gen httputil stack_context
        collections.abc: Awaitable Callable
        io: BytesIO
        tornado: version
        tornado.concurrent: Future
        tornado.escape: _unicode utf8
        tornado.http1connection: HTTP1Connection HTTP1ConnectionParameters
        tornado.httpclient: AsyncHTTPClient HTTPError HTTPRequest HTTPResponse _RequestProxy
            main
        tornado.ioloop: IOLoop
        tornado.iostream: IOStream StreamClosedError
        tornado.log: gen_log
        tornado.netutil: OverrideResolver Resolver _client_ssl_defaults is_valid_ip
        tornado.tcpclient: TCPClient
        tornado.util: PY3
        types: TracebackType
        typing: Any Optional Type
        """,
    "tornado.stack_context": """
        modules: sys threading warnings
        tornado.util: raise_exc_info
        """,
    "tornado.tcpclient": """
        modules: asyncio datetime functools numbers socket ssl
        tornado: gen
        collections.abc: Callable Iterator
        tornado.concurrent: Future future_add_done_callback
        tornado.gen: TimeoutError
        tornado.ioloop: IOLoop
        tornado.iostream: IOStream
        tornado.netutil: Resolver
        tornado.platform.auto: set_close_exec
        tornado.util: timedelta_to_seconds
        typing: Any Tuple
        """,
    "tornado.tcpserver": """
        modules: errno os socket ssl
        tornado: gen process
        collections.abc: Awaitable Callable Iterable
        tornado.ioloop: IOLoop
        tornado.iostream: IOStream SSLIOStream
        tornado.log: app_log
        tornado.netutil: _DEFAULT_BACKLOG add_accept_handler bind_sockets ssl_wrap_socket
        tornado.util: errno_from_exception
        typing: Any
        """,
    "tornado.template": """
        modules: datetime linecache os posixpath re threading typing
        tornado: escape
        collections.abc: Callable Iterable
        io: StringIO
        tornado.log: app_log
        tornado.util: ObjectDict PY3 exec_in unicode_type
        typing: Any ContextManager Optional TextIO
        """,
    "tornado.testing": """
        modules: asyncio functools inspect logging os re signal socket sys tornado typing
            unittest warnings
        tornado: gen netutil
        collections.abc: Callable Coroutine Generator
        io: StringIO
        tornado.httpclient: AsyncHTTPClient HTTPResponse
        tornado.httpserver: HTTPServer
        tornado.ioloop: IOLoop TimeoutError
        tornado.log: app_log gen_log
        tornado.platform.asyncio: AsyncIOMainLoop
        tornado.process: Subprocess
        tornado.simple_httpclient: SimpleAsyncHTTPClient
        tornado.stack_context: ExceptionStackContext
        tornado.util: PY3 basestring_type raise_exc_info
        tornado.web: Application
        types: GeneratorType TracebackType
        typing: Any Optional Type Union
        """,
    "tornado.util": """
        modules: array asyncio atexit datetime os re sys types typing warnings zlib
        collections.abc: Callable Mapping Sequence
        inspect: getargspec=getfullargspec getfullargspec
        re: Match
        sys: is_finalizing
        typing: Any AnyStr Dict Optional Tuple Union cast
        """,
    "tornado.web": """
        modules: Cookie=http.cookies asyncio base64 binascii datetime email functools gzip
            hashlib hmac http mimetypes numbers os re socket stat string sys threading time
            tornado traceback types typing urllib urlparse=urllib.parse warnings
        tornado: escape gen httputil iostream locale stack_context template
        collections.abc: Awaitable Callable Generator Iterable
        inspect: isclass
        io: BytesIO
        tornado.concurrent: Future future_set_result_unless_cancelled
        tornado.escape: _unicode utf8
        tornado.httpserver: HTTPServer
        tornado.log: access_log app_log gen_log
        tornado.routing: AnyMatches DefaultHostMatches HostMatches ReversibleRouter
            ReversibleRuleRouter Rule URLSpec _RuleList
        tornado.util: ObjectDict PY3 _websocket_mask raise_exc_info unicode_type
        types: TracebackType
        typing: Any Optional Type TypeVar Union cast overload
        urllib.parse: urlencode
        """,
    "tornado.websocket": """
        modules: abc asyncio base64 collections functools hashlib logging os struct sys tornado
            warnings zlib
        tornado: gen httpclient httputil simple_httpclient
        collections.abc: Awaitable Callable
        tornado.concurrent: Future TracebackFuture future_add_done_callback
            future_set_result_unless_cancelled
        tornado.escape: native_str to_unicode utf8
        tornado.ioloop: IOLoop PeriodicCallback
        tornado.iostream: IOStream StreamClosedError
        tornado.log: app_log gen_log
        tornado.netutil: Resolver
        tornado.queues: Queue
        tornado.tcpclient: TCPClient
        tornado.util: PY3 _websocket_mask
        types: TracebackType
        typing: Any Optional Protocol Type Union cast
        urllib.parse: urlparse
        """,
    "tornado.wsgi": """
        modules: concurrent sys tornado typing urllib_parse=urllib.parse warnings
        tornado: escape httputil web
        collections.abc: Callable
        io: BytesIO
        tornado.concurrent: Future dummy_executor
        tornado.escape: native_str
        tornado.ioloop: IOLoop
        tornado.log: access_log
        tornado.util: PY3 unicode_type
        types: TracebackType
        typing: Any
        """,
}

#: None in upstream's module where the library is not installed.
_OPTIONAL = {"certifi", "colorama"}


@cache
def targets(module: str) -> dict[str, str]:
    """Name -> where it is, as "module:attribute" or "module", of one module of Tornado's."""
    found = {}
    source = ""
    for word in TABLE.get(module, "").split():
        if word.endswith(":"):
            source = word[:-1]
            continue
        name, _, other = word.partition("=")
        found[name] = (other or name) if source == "modules" else f"{source}:{other or name}"
    return found


def find(module: str, name: str) -> Any:
    """The value of an incidental name; AttributeError for a name that `module` never had."""
    target = targets(module).get(name)
    if target is None:
        missing = f"module {module!r} has no attribute {name!r}"
        raise AttributeError(refusal(f"{module}.{name}") or missing)
    home, _, attribute = target.partition(":")
    try:
        value: Any = importlib.import_module(home)
    except ImportError:
        if home not in _OPTIONAL:
            raise AttributeError(
                f"{module}.{name} is the module {home}, which is not installed"
            ) from None
        value = None
    if attribute:
        value = getattr(value, attribute)
    vars(sys.modules[module])[name] = value
    return value
