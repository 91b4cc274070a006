"""Names that a Tornado module re-exports from elsewhere, imported on first use.

What old releases had in a module and newer ones have in another, and what few programs need.
A module that does so has one line: `__getattr__ = handing_on("tornado.gen")`. Knows the
table; the module of a row is in a higher layer than the one that re-exports it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["ELSEWHERE", "handing_on", "listing", "shown_in"]

_LEGACY = "tornado._impl.legacy"
_GEN = f"{_LEGACY}.gen"
_TWISTED = f"{_LEGACY}.twisted"
_WSGI = f"{_LEGACY}.wsgi"
_PRIVATE = "tornado._impl.private"
_OAUTH1 = "tornado_trio.oauth.oauth1"
_NODES = "tornado_trio.template.nodes"
_WEBSOCKET_CLIENT = "tornado._impl.websocket.client"
_SIGNING = "tornado_trio.wire.signing"
_DECORATORS = "tornado_trio.web.decorators"
_KINDS = "tornado._impl.streams.kinds"
_FORMS = "tornado._impl.http.forms"
_STOCK = "tornado._impl.stock"
_FUTURE = "tornado.concurrent:Future"

#: Module -> name -> the module that has it, as "module" or "module:its name there"; the name of
#: a module is the module itself.
ELSEWHERE: dict[str, dict[str, str]] = {
    "tornado.auth": {
        "FacebookMixin": f"{_LEGACY}.providers",
        "FriendFeedMixin": f"{_LEGACY}.providers",
        "GoogleMixin": f"{_LEGACY}.providers",
        "_auth_return_future": f"{_LEGACY}.auth",
        "_oauth_escape": f"{_OAUTH1}:escape",
        "_oauth_parse_response": f"{_OAUTH1}:parse_response",
        "_oauth_signature": f"{_LEGACY}.auth",
    },
    "tornado.concurrent": {
        "TracebackFuture": _FUTURE,
        "return_future": f"{_LEGACY}.concurrent",
    },
    "tornado.escape": {
        "_BASESTRING_TYPES": _PRIVATE,
        "_TO_UNICODE_TYPES": _PRIVATE,
        "_UTF8_TYPES": _PRIVATE,
    },
    "tornado.gen": {
        "Arguments": _GEN,
        "Callback": _GEN,
        "MultiYieldPoint": _GEN,
        "Task": _GEN,
        "TracebackFuture": _FUTURE,
        "Wait": _GEN,
        "WaitAll": _GEN,
        "YieldFuture": _GEN,
        "YieldPoint": _GEN,
        "_Yieldable": _PRIVATE,
        "_create_future": _FUTURE,
        "_make_coroutine_wrapper": _GEN,
        "_value_from_stopiteration": _PRIVATE,
        "engine": _GEN,
    },
    "tornado.http1connection": {
        "_GzipMessageDelegate": "tornado._impl.http.inflating",
        "_ExceptionLoggingContext": "tornado._impl.http.reading",
        "_QuietException": "tornado._impl.http.reading",
    },
    "tornado.httpserver": {
        "HTTPConnection": "tornado.httputil",
        "_BadRequestException": "tornado.httputil:HTTPInputError",
        "_HTTPRequestContext": "tornado._impl.http.peer",
        "_ProxyAdapter": "tornado._impl.http.peer",
    },
    "tornado.httputil": {
        "HTTPFile": _FORMS,
        "ParseBodyConfig": _FORMS,
        "ParseMultipartConfig": _FORMS,
        "ParseUrlEncodedConfig": _FORMS,
        "_DEFAULT_PARSE_BODY_CONFIG": f"{_FORMS}:DEFAULT_CONFIG",
        "_encode_header": "tornado_trio.wire.parameters:encode_header",
        "_get_content_range": "tornado_trio.wire.ranges:content_range",
        "_int_or_none": _PRIVATE,
        "_parse_header": "tornado_trio.wire.parameters:parse_header",
        "_parse_request_range": "tornado_trio.wire.ranges:parse_range",
        "_parseparam": _PRIVATE,
        "parse_cookie": "tornado_trio.wire.cookies",
        "responses": "http.client",
    },
    "tornado.ioloop": {
        "_Selectable": _PRIVATE,
        "_Timeout": "asyncio:TimerHandle",
        "PollIOLoop": f"{_LEGACY}.ioloop",
        "TracebackFuture": _FUTURE,
    },
    "tornado.iostream": {
        "BaseIOStream": "tornado._impl.streams.base",
        "IOStream": _KINDS,
        "PipeIOStream": _KINDS,
        "SSLIOStream": _KINDS,
        "_ERRNO_CONNRESET": "tornado._impl.streams.errors:PEER_GONE",
        "_ERRNO_INPROGRESS": _PRIVATE,
        "_ERRNO_WOULDBLOCK": _PRIVATE,
        "_WINDOWS": _PRIVATE,
    },
    "tornado.locks": {"gen": "tornado.gen:"},
    "tornado.log": {"_safe_unicode": _PRIVATE},
    "tornado.netutil": {
        "_ERRNO_WOULDBLOCK": _PRIVATE,
        "TCPServer": "tornado.tcpserver",
        "set_close_exec": "tornado.platform.auto",
    },
    "tornado.options": {
        "_LogFormatter": f"{_LEGACY}.log",
        "_Mockable": "tornado_trio.options",
        "_Option": "tornado_trio.options",
        "enable_pretty_logging": "tornado.log",
    },
    "tornado.platform.twisted": {
        "TornadoDelayedCall": _TWISTED,
        "TornadoReactor": _TWISTED,
        "TwistedIOLoop": _TWISTED,
        "TwistedResolver": _TWISTED,
    },
    "tornado.process": {
        "_pipe_cloexec": _PRIVATE,
        "_reseed_random": "tornado._impl.loop.forking",
    },
    "tornado.template": {
        "_ApplyBlock": f"{_NODES}:Apply",
        "_ChunkList": f"{_NODES}:Body",
        "_ControlBlock": f"{_NODES}:Control",
        "_DEFAULT_AUTOESCAPE": "tornado_trio.template.runtime:DEFAULT_ESCAPE",
        "_Expression": f"{_NODES}:Expression",
        "_ExtendsBlock": f"{_NODES}:Extends",
        "_File": f"{_NODES}:File",
        "_IncludeBlock": f"{_NODES}:Include",
        "_IntermediateControlBlock": f"{_NODES}:Branch",
        "_NamedBlock": f"{_NODES}:Block",
        "_Node": f"{_NODES}:Node",
        "_Statement": f"{_NODES}:Statement",
        "_Text": f"{_NODES}:Text",
        "_UNSET": "tornado_trio.template.template",
    },
    "tornado.web": {
        "DEFAULT_SIGNED_VALUE_MIN_VERSION": _SIGNING,
        "DEFAULT_SIGNED_VALUE_VERSION": _SIGNING,
        "ErrorHandler": _STOCK,
        "FallbackHandler": _STOCK,
        "GZipContentEncoding": "tornado_trio.web.transforms",
        "MAX_SUPPORTED_SIGNED_VALUE_VERSION": _SIGNING,
        "MIN_SUPPORTED_SIGNED_VALUE_VERSION": _SIGNING,
        "OutputTransform": "tornado_trio.web.transforms",
        "RedirectHandler": _STOCK,
        "StaticFileHandler": _STOCK,
        "_create_signature_v1": f"{_SIGNING}:create_signature_v1",
        "_create_signature_v2": f"{_SIGNING}:create_signature_v2",
        "addslash": _DECORATORS,
        "authenticated": _DECORATORS,
        "create_signed_value": _SIGNING,
        "decode_signed_value": _SIGNING,
        "get_signature_key_version": _SIGNING,
        "is_absolute": "tornado_trio.web.rendering",
        "removeslash": _DECORATORS,
        "stream_request_body": _DECORATORS,
        "ChunkedTransferEncoding": f"{_LEGACY}.transforms",
        "_ArgDefaultMarker": "tornado_trio.web.arguments:_Required",
        "_O": "tornado.util:ObjectDict",
        "_decode_fields_v2": f"{_SIGNING}:_fields_v2",
        "_time_independent_equals": "hmac:compare_digest",
    },
    "tornado.websocket": {
        "WebSocketClientConnection": _WEBSOCKET_CLIENT,
        "WebSocketProtocol13": "tornado._impl.websocket.protocol",
        "websocket_connect": _WEBSOCKET_CLIENT,
    },
    "tornado.wsgi": {
        "WSGIAdapter": _WSGI,
        "WSGIApplication": _WSGI,
        "from_wsgi_str": _WSGI,
    },
}


def handing_on(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of `module`. What was found is kept there."""
    elsewhere = ELSEWHERE.get(module, {})

    def __getattr__(name: str) -> Any:
        home = elsewhere.get(name)
        if home is None:
            if name.startswith("__"):  # asked by Python itself, at imports and by tools
                raise AttributeError(f"module {module!r} has no attribute {name!r}")
            from tornado._impl import incidental

            return incidental.find(module, name)
        home, colon, attribute = home.partition(":")
        value: Any = importlib.import_module(home)
        if attribute or not colon:
            value = getattr(value, attribute or name)
        there = sys.modules.get(module)
        if there is not None:  # a test that restores `sys.modules` may have taken it out
            vars(there)[name] = value
        return value

    return __getattr__


def listing(module: str) -> Callable[[], list[str]]:
    """The `__dir__` of `module`: what it has, and what it hands on."""
    return lambda: sorted({*vars(sys.modules[module]), *ELSEWHERE[module]})


def shown_in(module: str, *classes: type) -> None:
    """Let `classes` say that they are defined in `module`.

    Programs see it: in tracebacks, in reports that are grouped or ignored by the names of errors,
    and in pickles, which a process with Tornado itself reads.
    """
    for each in classes:
        each.__module__ = module
