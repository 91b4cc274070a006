"""OpenID 2.0 with attribute exchange: what is asked, and what an answer says. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urljoin

from tornado_trio.oauth.errors import AuthError

__all__ = ["check_answer", "request_arguments", "user_of"]

_OPENID = "http://specs.openid.net/auth/2.0"
_AX = "http://openid.net/srv/ax/1.0"
_OAUTH = "http://specs.openid.net/extensions/oauth/1.0"

_TYPES = {
    "email": "http://axschema.org/contact/email",
    "language": "http://axschema.org/pref/language",
    "username": "http://axschema.org/namePerson/friendly",
    "fullname": "http://axschema.org/namePerson",
    "firstname": "http://axschema.org/namePerson/first",
    "lastname": "http://axschema.org/namePerson/last",
}

# The whole line must match: "xis_valid:true" and "is_valid:trueish" are no consent.
_VALID = re.compile(rb"^is_valid:true$", re.MULTILINE)


def request_arguments(
    callback: str, attributes: Iterable[str], oauth_scope: str | None = None
) -> dict[str, str]:
    """The arguments that send a browser to the provider and back to `callback`."""
    arguments = {
        "openid.ns": _OPENID,
        "openid.claimed_id": f"{_OPENID}/identifier_select",
        "openid.identity": f"{_OPENID}/identifier_select",
        "openid.return_to": callback,
        "openid.realm": urljoin(callback, "/"),
        "openid.mode": "checkid_setup",
    }
    wanted = set(attributes)
    if wanted:
        arguments["openid.ns.ax"] = _AX
        arguments["openid.ax.mode"] = "fetch_request"
        required = []
        if "name" in wanted:
            # A name comes whole, or in parts, or as a nickname: ask for all of these.
            wanted -= {"name", "firstname", "fullname", "lastname"}
            required = ["firstname", "fullname", "lastname"]
        required += [name for name in _TYPES if name in wanted]
        for name in required:
            arguments[f"openid.ax.type.{name}"] = _TYPES[name]
        arguments["openid.ax.required"] = ",".join(required)
    if oauth_scope:
        arguments["openid.ns.oauth"] = _OAUTH
        arguments["openid.oauth.consumer"] = callback.split("/")[2]
        arguments["openid.oauth.scope"] = oauth_scope
    return arguments


def check_answer(body: bytes) -> None:
    """Raise `AuthError` unless the provider confirms that the browser's message is its own."""
    if _VALID.search(body) is None:
        raise AuthError(f"Invalid OpenID response: {body[:200]!r}")


def user_of(arguments: Mapping[str, Any], get: Callable[[str], str | None]) -> dict[str, Any]:
    """The user's attributes in the browser's (confirmed) message.

    Args:
        arguments: names of the message's arguments.
        get: the value of one of them.
    """
    prefix = None
    for name in arguments:
        if name.startswith("openid.ns.") and get(name) == _AX:
            prefix = f"openid.{name.removeprefix('openid.ns.')}"
            break
    found: dict[str, str] = {}
    if prefix is not None:
        found = _attributes(prefix, arguments, get)
    first, last = found.get("firstname", ""), found.get("lastname", "")
    email, name = found.get("email", ""), found.get("fullname", "")
    parts = [part for part in (first, last) if part]
    user: dict[str, Any] = {}
    if first:
        user["first_name"] = first
    if last:
        user["last_name"] = last
    if name or parts:
        user["name"] = name or " ".join(parts)
    elif email:
        user["name"] = email.split("@")[0]
    if email:
        user["email"] = email
    if found.get("language"):
        user["locale"] = found["language"].lower()
    if found.get("username"):
        user["username"] = found["username"]
    claimed = get("openid.claimed_id")
    if claimed:
        user["claimed_id"] = claimed
    return user


def _attributes(
    prefix: str, arguments: Mapping[str, Any], get: Callable[[str], str | None]
) -> dict[str, str]:
    """Our names of the attributes in the message, to their values."""
    names = {uri: name for name, uri in _TYPES.items()}
    found: dict[str, str] = {}
    for argument in arguments:
        if not argument.startswith(f"{prefix}.type."):
            continue
        name = names.get(get(argument) or "")
        if name is not None and name not in found:
            value = get(f"{prefix}.value.{argument.removeprefix(f'{prefix}.type.')}")
            if value:
                found[name] = value
    return found
