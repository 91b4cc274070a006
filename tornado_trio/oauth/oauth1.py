"""OAuth 1.0 and 1.0a (RFC 5849): signatures, parameters, tokens. Pure: no I/O.

A consumer or a token is a mapping with the keys ``key`` and ``secret``, as in Tornado.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from tornado_trio.escape import to_unicode, utf8
from tornado_trio.oauth.errors import AuthError

__all__ = [
    "Token",
    "base_string",
    "dump_cookie",
    "escape",
    "load_cookie",
    "parse_response",
    "protocol_parameters",
    "request_parameters",
    "signature",
]

Token = Mapping[str, Any]

_DEFAULT_PORTS = {"http": 80, "https": 443}


def escape(value: Any) -> str:
    """Percent-encode as section 3.6 wants it: all but letters, digits and ``-._~``."""
    if not isinstance(value, (str, bytes)):
        value = str(value)
    return quote(utf8(value), safe="~")


def base_string(method: str, url: str, parameters: Mapping[str, Any]) -> str:
    """What is signed (section 3.4.1).

    `parameters` are all parameters of the request, those of the query string included:
    the query and fragment of `url` itself are not looked at.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    host = parts.netloc.lower()
    if parts.port is not None and parts.port == _DEFAULT_PORTS.get(scheme):
        host = host.rpartition(":")[0]
    pairs = sorted((escape(name), escape(value)) for name, value in parameters.items())
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return "&".join([method.upper(), escape(f"{scheme}://{host}{parts.path}"), escape(query)])


def signature(
    consumer: Token,
    method: str,
    url: str,
    parameters: Mapping[str, Any],
    token: Token | None = None,
    *,
    version: str = "1.0a",
) -> bytes:
    """The HMAC-SHA1 signature, in Base64.

    1.0 differs from 1.0a in that it does not percent-encode the secrets that make the key.
    """
    keys = [consumer["secret"], token["secret"] if token else ""]
    if version == "1.0a":
        keys = [escape(key) for key in keys]
    key = b"&".join(utf8(key) for key in keys)
    text = base_string(method, url, parameters).encode()
    return base64.b64encode(hmac.new(key, text, hashlib.sha1).digest())


def protocol_parameters(consumer: Token, token: Token | None = None) -> dict[str, str]:
    """The ``oauth_`` parameters of one request, not yet signed. The nonce is new each time."""
    parameters = {"oauth_consumer_key": to_unicode(consumer["key"])}
    if token is not None:
        parameters["oauth_token"] = to_unicode(token["key"])
    parameters["oauth_signature_method"] = "HMAC-SHA1"
    parameters["oauth_timestamp"] = str(int(time.time()))
    parameters["oauth_nonce"] = secrets.token_hex(16)
    parameters["oauth_version"] = "1.0"
    return parameters


def request_parameters(
    consumer: Token,
    method: str,
    url: str,
    token: Token | None = None,
    *,
    extra: Mapping[str, Any] | None = None,
    version: str = "1.0a",
) -> dict[str, str]:
    """The ``oauth_`` parameters of one request, signed. `extra` are its other parameters,
    which are signed but not returned."""
    parameters = protocol_parameters(consumer, token)
    signed = {**parameters, **(extra or {})}
    found = signature(consumer, method, url, signed, token, version=version)
    parameters["oauth_signature"] = found.decode()
    return parameters


def parse_response(body: bytes) -> dict[str, str]:
    """The token in a provider's answer: ``key``, ``secret``, and what else it sent.

    Raises:
        AuthError: there is no token in it.
    """
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if "oauth_token" not in fields or "oauth_token_secret" not in fields:
        raise AuthError("The answer of the OAuth provider holds no token")
    token = {"key": fields.pop("oauth_token"), "secret": fields.pop("oauth_token_secret")}
    return {**token, **fields}


def dump_cookie(token: Token) -> bytes:
    """A request token as the value of a cookie, in Tornado's format."""
    return b"|".join(base64.b64encode(utf8(token[part])) for part in ("key", "secret"))


def load_cookie(value: str | bytes) -> dict[str, str]:
    """The request token in a cookie.

    Raises:
        AuthError: the value is not one of ours.
    """
    try:
        key, secret = (
            base64.b64decode(part, validate=True).decode() for part in utf8(value).split(b"|")
        )
    except (binascii.Error, ValueError):
        raise AuthError("Malformed OAuth request token cookie") from None
    return {"key": key, "secret": secret}
