"""Sessions kept in a signed cookie: the client can read it but not change it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Any

from ...wire.cookies import make_morsel
from ...wire.signing import create_signed_value, decode_signed_value
from ..calls import Call, Next, Response

__all__ = ["Session", "Sessions"]

_MAX_COOKIE = 4096  # what browsers keep (RFC 6265 6.1)


class Session(MutableMapping[str, Any]):
    """What is remembered of a visitor: names to values that JSON has.

    Read when it is first used. After the head of the answer has been sent it cannot be changed:
    RuntimeError.
    """

    def __init__(self, load: Callable[[], dict[str, Any]]) -> None:
        self._load = load
        self._found: dict[str, Any] | None = None
        self._sent = False

    @property
    def used(self) -> bool:
        """Whether the answer may depend on it."""
        return self._found is not None

    def _values(self) -> dict[str, Any]:
        if self._found is None:
            self._found = self._load()
        return self._found

    def _changeable(self) -> dict[str, Any]:
        if self._sent:
            raise RuntimeError(
                "the session is in a cookie, and the head of the answer has been sent: change it "
                "before `flush` or, of a websocket, in `prepare`"
            )
        return self._values()

    def __getitem__(self, name: str) -> Any:
        return self._values()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._changeable()[name] = value

    def __delitem__(self, name: str) -> None:
        del self._changeable()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def __repr__(self) -> str:
        return f"<Session of {len(self._found or ())} values>"


class Sessions:
    """Gives each request a `session`, a dict that lasts: `self.request.session["user"] = 7`.

    Args:
        secret: what signs the cookie; a list of them for a change: the first signs, all verify.
        cookie: its name.
        max_age: seconds after which it is no longer believed.
        samesite, secure, domain, path: of the cookie; `secure` None: if the request is.

    An answer of 500 and above leaves it as it was. A session that is emptied is deleted. Where it
    must be possible to end one from here (a stolen cookie), keep a number in it that your database
    knows.
    """

    def __init__(
        self,
        secret: str | bytes | Sequence[str | bytes],
        *,
        cookie: str = "session",
        max_age: int = 14 * 86400,
        samesite: str = "Lax",
        secure: bool | None = None,
        domain: str | None = None,
        path: str = "/",
    ) -> None:
        self._secrets = [secret] if isinstance(secret, (str, bytes)) else list(secret)
        if not self._secrets or not all(self._secrets):
            raise ValueError("a session needs a secret; one: secrets.token_hex(32)")
        self._cookie = cookie
        self._max_age = max_age
        self._secure = secure
        self._attributes: dict[str, Any] = {"samesite": samesite, "domain": domain, "path": path}
        make_morsel(cookie, "", **self._attributes)  # says now what is wrong with them

    async def __call__(self, call: Call, next: Next) -> None:
        read = ""

        def load() -> dict[str, Any]:
            nonlocal read
            values = self._decode(call.request.cookies.get(self._cookie))
            read = _encode(values)
            return values

        session = call.request.session = Session(load)

        def send(response: Response) -> None:
            if session.used:
                response.vary("Cookie")
            if session.used and response.status < 500:
                self._send(call, response, session, read)
            session._sent = True

        call.on_response(send)
        await next(call)

    def _decode(self, morsel: Any) -> dict[str, Any]:
        if morsel is None:
            return {}
        for secret in self._secrets:
            days = self._max_age / 86400
            text = decode_signed_value(secret, self._cookie, morsel.value, max_age_days=days)
            if text is not None:
                values = json.loads(text)
                return values if isinstance(values, dict) else {}
        return {}

    def _send(self, call: Call, response: Response, session: Session, read: str) -> None:
        text = _encode(session._values())
        if text == read:
            return
        value: str | bytes = ""
        max_age = 0
        if session:
            value = create_signed_value(self._secrets[0], self._cookie, text)
            max_age = self._max_age
        secure = call.request.protocol == "https" if self._secure is None else self._secure
        morsel = make_morsel(
            self._cookie,
            value,
            max_age=max_age,
            httponly=True,
            secure=secure,
            **self._attributes,
        )
        field = morsel.OutputString(None)
        if len(field) > _MAX_COOKIE:
            raise ValueError(
                f"the session takes {len(field)} bytes as a cookie; browsers keep {_MAX_COOKIE}: "
                "keep the data in a database, and its key here"
            )
        response.headers.add("Set-Cookie", field)


def _encode(values: dict[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"), sort_keys=True)
