"""Settings that cannot be meant are refused when the application is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tornado_trio import web


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"cookie_secrt": "x"}, "did you mean 'cookie_secret'"),
        ({"middlewares": []}, "did you mean 'middleware'"),
        ({"template_paths": "x"}, "did you mean 'template_path'"),
        ({"debug": "false"}, "debug is True or False, not 'false'"),
        ({"request_timeout": "5"}, "request_timeout is seconds"),
        ({"request_timeout": 0}, "request_timeout is seconds"),
        ({"on_disconnect": "stop"}, "on_disconnect is"),
        ({"trusted_origins": "https://a.test"}, "a list of origins"),
        ({"default_handler_class": "Handler"}, "is a class"),
        ({"log_function": "print"}, "is a function"),
        ({"cookie_secret": 7}, "cookie_secret is text"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        web.Application(**settings)


def test_right_ones_and_those_of_the_program(tmp_path: Path) -> None:
    web.Application(
        debug=False,
        on_disconnect="finish",
        request_timeout=2.5,
        template_path=tmp_path,
        static_path=str(tmp_path),
        cookie_secret={1: "a"},
        login_url=None,
        xsrf_cookies=1,
        trusted_origins=["https://a.test"],
        db=object(),
        feed="mine",
        state={},
    )
