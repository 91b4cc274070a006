"""WebSocket (RFC 6455, RFC 7692) without I/O: handshake, frames, compression, close table."""

from .deflate import DeflateOptions, DeflateParams
from .extensions import ExtensionError, agree_deflate, parse_extensions
from .frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Close, CloseCode, WebSocketProtocolError
from .handshake import HandshakeError, accept_value, check_answer, check_request, make_key
from .protocol import ConnectionClosed, WebSocketProtocol, encode_shared
from .states import State

__all__ = [
    "BINARY",
    "CLOSE",
    "CONT",
    "PING",
    "PONG",
    "TEXT",
    "Close",
    "CloseCode",
    "ConnectionClosed",
    "DeflateOptions",
    "DeflateParams",
    "ExtensionError",
    "HandshakeError",
    "State",
    "WebSocketProtocol",
    "WebSocketProtocolError",
    "accept_value",
    "agree_deflate",
    "check_answer",
    "check_request",
    "encode_shared",
    "make_key",
    "parse_extensions",
]
