"""`Failure`: type, message and line of an exception, without what may be secret."""

from __future__ import annotations

import pytest

from tornado_trio.exchange import Failure
from tornado_trio.exchange.failure import shown_message


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ZeroDivisionError("division by zero"), "division by zero"),
        (KeyError("user_id"), "'user_id'"),
        (KeyError("s3cr3t phrase"), "'…'"),
        (AttributeError("'NoneType' object has no attribute 'name'"), None),
        (ValueError("invalid literal for int() with base 10: 'hunter'"), "base 10: '…'"),
        (ValueError('could not parse "4929 1234"'), "could not parse '…'"),
        (RuntimeError("password=hunter2 was refused"), "password=… was refused"),
        (RuntimeError("Authorization: Bearer abc.def"), "Authorization: …"),
        (RuntimeError("got Bearer abc.def"), "got Bearer …"),
        (OSError("cannot reach postgres://me:pw@db/shop"), "cannot reach postgres://…@db/shop"),
        (OSError("GET https://x.example/a?sig=1"), "GET https://x.example/a?…"),
        (RuntimeError("key sk_live_4eC39HqLyjWDarjtT1zdp7dc bad"), "key … bad"),
        (RuntimeError("Key (mail)=(a@b.example) already exists\nDETAIL: x"), None),
        (RuntimeError("no such user a@b.example"), "no such user …@…"),
        (RuntimeError("x" * 5000), "x" * 200),
        (RuntimeError(), ""),
    ],
)
def test_messages(error: Exception, shown: str | None) -> None:
    text = shown_message(error)
    assert "\n" not in text and "a@b" not in text
    if shown is None:
        assert text in (
            "'NoneType' object has no attribute 'name'",
            "Key (mail)=(…) already exists",
        )
    else:
        assert text.endswith(shown)


def test_a_class_that_cannot_be_shown() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert str(Failure.of(Odd())).endswith("Odd")


def test_the_place_is_the_programs() -> None:
    import json

    try:
        json.loads("{")
    except ValueError as error:
        failure = Failure.of(ExceptionGroup("of a nursery", [error]))
    assert failure.kind == "JSONDecodeError"
    assert "test_failure.py:" in failure.place and failure.place.endswith("is_the_programs")
