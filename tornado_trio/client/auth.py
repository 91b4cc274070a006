"""Basic and digest authentication (RFC 7617, RFC 7616). Pure: values in, a field out.

A `DigestAuth` belongs to one origin; the client never uses it for another.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from typing import Protocol

from .._util.late import pattern_later
from .targets import encode_basic

_PARAM = pattern_later(
    r'\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|\Z)', globals()
)
_ALGORITHMS: dict[str, Callable[[bytes], hashlib._Hash]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
    "SHA-256": hashlib.sha256,
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data),
}


class Auth(Protocol):
    """Something that puts an Authorization value on requests."""

    def authorization(self, method: str, path: str) -> str | None:
        """The value for a request about to be sent; None to send it without."""
        ...

    def challenged(self, challenges: list[str], attempt: int) -> bool:
        """Look at the WWW-Authenticate fields of a 401; True: send the request again.

        `attempt` counts how often this request was sent again for that reason.
        """
        ...


class BasicAuth:
    """Sends the credentials with every request."""

    __slots__ = ("_value",)

    def __init__(self, username: str, password: str) -> None:
        self._value = encode_basic(username, password)

    def authorization(self, method: str, path: str) -> str | None:
        """The value, the same for every request."""
        return self._value

    def challenged(self, challenges: list[str], attempt: int) -> bool:
        """False: the credentials were refused, sending them again is no use."""
        return False

    def __repr__(self) -> str:
        return "<BasicAuth>"


class DigestAuth:
    """Answers digest challenges; keeps the nonce for the next requests.

    Supports MD5, SHA-256 and SHA-512-256, their -sess forms, qop=auth and no qop.
    `cnonce` makes the answer predictable, for tests.
    """

    __slots__ = ("_challenge", "_cnonce", "_count", "_password", "_username")

    def __init__(self, username: str, password: str, cnonce: str | None = None) -> None:
        self._username = username
        self._password = password
        self._cnonce = cnonce
        self._challenge: dict[str, str] | None = None
        self._count = 0

    def __repr__(self) -> str:
        return f"<DigestAuth challenged={self._challenge is not None}>"

    def challenged(self, challenges: list[str], attempt: int) -> bool:
        """Take up a challenge: once per request, twice if the nonce had grown stale."""
        challenge = best_challenge(challenges)
        if challenge is None:
            return False
        stale = challenge.get("stale", "").lower() == "true"
        if attempt > (1 if stale else 0):
            return False
        self._challenge = challenge
        self._count = 0
        return True

    def authorization(self, method: str, path: str) -> str | None:
        """The answer to the last challenge for this request."""
        challenge = self._challenge
        if challenge is None:
            return None
        self._count += 1
        cnonce = self._cnonce or os.urandom(8).hex()
        return digest_answer(
            challenge,
            username=self._username,
            password=self._password,
            method=method,
            path=path,
            cnonce=cnonce,
            count=self._count,
        )


def parse_challenge(value: str) -> dict[str, str] | None:
    """The parameters of a `Digest` challenge, names in lower case; None if it is not one.

    Linear in the length of the value; a malformed one gives None.
    """
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    params: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _PARAM.match(rest, position)
        if match is None:
            return None
        name, quoted, token = match.groups()
        text = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        params.setdefault(name.lower(), text)
        position = match.end()
    if "nonce" not in params or "realm" not in params:
        return None
    return params


def best_challenge(values: list[str]) -> dict[str, str] | None:
    """The strongest digest challenge among WWW-Authenticate fields that we can answer."""
    order = ["SHA-512-256", "SHA-256", "MD5"]
    found: list[tuple[int, dict[str, str]]] = []
    for value in values:
        params = parse_challenge(value)
        if params is None:
            continue
        base = _base_algorithm(params)
        qops = _qops(params)
        if base in order and (not qops or "auth" in qops):
            found.append((order.index(base), params))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _base_algorithm(params: dict[str, str]) -> str:
    return params.get("algorithm", "MD5").upper().removesuffix("-SESS")


def _qops(params: dict[str, str]) -> list[str]:
    return [q.strip().lower() for q in params.get("qop", "").split(",") if q.strip()]


def digest_answer(
    challenge: dict[str, str],
    *,
    username: str,
    password: str,
    method: str,
    path: str,
    cnonce: str,
    count: int,
) -> str:
    """The Authorization value that answers `challenge` (RFC 7616 3.4)."""
    algorithm = challenge.get("algorithm")
    digest = _ALGORITHMS[_base_algorithm(challenge)]

    def hashed(*parts: str) -> str:
        return digest(":".join(parts).encode("utf-8")).hexdigest()

    realm, nonce = challenge["realm"], challenge["nonce"]
    secret = hashed(username, realm, password)
    if algorithm is not None and algorithm.upper().endswith("-SESS"):
        secret = hashed(secret, nonce, cnonce)
    request = hashed(method, path)
    fields = [("username", username), ("realm", realm), ("nonce", nonce), ("uri", path)]
    plain: list[tuple[str, str]] = []
    if _qops(challenge):
        number = f"{count:08x}"
        response = hashed(secret, nonce, number, cnonce, "auth", request)
        plain = [("qop", "auth"), ("nc", number)]
        fields.append(("cnonce", cnonce))
    else:
        response = hashed(secret, nonce, request)
    fields.append(("response", response))
    if "opaque" in challenge:
        fields.append(("opaque", challenge["opaque"]))
    if algorithm is not None:
        plain.append(("algorithm", algorithm))
    quoted = [f'{name}="{_escaped(value)}"' for name, value in fields]
    return "Digest " + ", ".join(quoted + [f"{name}={value}" for name, value in plain])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
