"""OpenID 2.0: what is asked, whose word is taken, and how attributes are read."""

import pytest

from tornado_trio.oauth import AuthError, openid

AX = "http://openid.net/srv/ax/1.0"
TYPES = {
    "email": "http://axschema.org/contact/email",
    "first": "http://axschema.org/namePerson/first",
    "last": "http://axschema.org/namePerson/last",
    "full": "http://axschema.org/namePerson",
    "language": "http://axschema.org/pref/language",
    "nick": "http://axschema.org/namePerson/friendly",
}


def message(prefix: str = "ax", **attributes: str) -> dict[str, str]:
    found = {"openid.mode": "id_res", f"openid.ns.{prefix}": AX}
    for number, (name, value) in enumerate(attributes.items()):
        found[f"openid.{prefix}.type.n{number}"] = TYPES[name]
        found[f"openid.{prefix}.value.n{number}"] = value
    return found


def test_request_arguments() -> None:
    arguments = openid.request_arguments("http://me/cb?a=1", ["name", "email"])
    assert arguments["openid.return_to"] == "http://me/cb?a=1"
    assert arguments["openid.realm"] == "http://me/"
    assert arguments["openid.mode"] == "checkid_setup"
    assert arguments["openid.ax.required"] == "firstname,fullname,lastname,email"
    assert arguments["openid.ax.type.email"] == TYPES["email"]
    assert "openid.ns.ax" not in openid.request_arguments("http://me/cb", [])
    arguments = openid.request_arguments("http://me/cb", [], "scope")
    assert arguments["openid.oauth.consumer"] == "me"
    assert arguments["openid.oauth.scope"] == "scope"


@pytest.mark.parametrize(
    "body", [b"is_valid:true", b"ns:x\nis_valid:true\n", b"is_valid:true\nns:x"]
)
def test_confirmed(body: bytes) -> None:
    openid.check_answer(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"is_valid:false\n",
        b"xis_valid:true\n",
        b"is_valid:truex\n",
        b"mode:is_valid:true\n",
        b" is_valid:true\n",
        b"is_valid:true \n",
        b"is_valid:true\r\n",
    ],
)
def test_not_confirmed(body: bytes) -> None:
    with pytest.raises(AuthError, match="Invalid OpenID response"):
        openid.check_answer(body)


@pytest.mark.parametrize(
    ("arguments", "user"),
    [
        (
            message(email="a@b.c", first="F", last="L", language="EN-us", nick="fr"),
            {
                "first_name": "F",
                "last_name": "L",
                "name": "F L",
                "email": "a@b.c",
                "locale": "en-us",
                "username": "fr",
            },
        ),
        (message("ext1", email="a@b.c"), {"name": "a", "email": "a@b.c"}),
        (message(full="Full N", first="F"), {"first_name": "F", "name": "Full N"}),
        (message(last="L"), {"last_name": "L", "name": "L"}),
        (message(), {}),
        ({"openid.mode": "cancel"}, {}),
        (
            message(email="e") | {"openid.claimed_id": "i"},
            {"name": "e", "email": "e", "claimed_id": "i"},
        ),
    ],
)
def test_user(arguments: dict[str, str], user: dict[str, str]) -> None:
    assert openid.user_of(arguments, arguments.get) == user
