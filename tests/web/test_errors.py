from __future__ import annotations

import copy
import pickle

from tornado_trio.web import Finish, HTTPError, MissingArgumentError


def test_message_is_filled_in() -> None:
    error = HTTPError(400, "a %s b", "x")
    assert str(error) == "HTTP 400: Bad Request (a x b)"
    assert error.get_message() == "a x b"
    assert error.log_message == "a %s b" and error.args == ("x",)


def test_message_without_arguments_may_hold_percent_signs() -> None:
    error = HTTPError(400, "100% of %s")
    assert error.get_message() == "100% of %s"
    assert error.log_message is not None
    assert error.log_message % error.args == "100% of %s"


def test_reason() -> None:
    assert str(HTTPError(682, reason="Foo")) == "HTTP 682: Foo"
    assert str(HTTPError(682)) == "HTTP 682: Unknown"
    assert str(HTTPError()) == "HTTP 500: Internal Server Error"
    assert HTTPError().log_message is None


def test_copies() -> None:
    for error in (HTTPError(403, "x %s", "y", reason="Go"), MissingArgumentError("foo")):
        for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert twin is not error
            assert (str(twin), twin.status_code, twin.reason, twin.args) == (
                str(error),
                error.status_code,
                error.reason,
                error.args,
            )


def test_missing_argument() -> None:
    error = MissingArgumentError("foo")
    assert (error.status_code, error.arg_name) == (400, "foo")
    assert str(error) == "HTTP 400: Bad Request (Missing argument foo)"


def test_finish_keeps_its_arguments() -> None:
    assert Finish("bye").args == ("bye",)
