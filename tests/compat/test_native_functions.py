"""Functions of the native framework that Tornado's handlers may use as they are."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

from typing import Any

import tornado.web
from tornado.testing import AsyncHTTPTestCase

from tornado_trio.web import basic_credentials, bearer_token


class Handler(tornado.web.RequestHandler):
    def get(self) -> None:
        said = basic_credentials(self.request)
        self.write({"token": bearer_token(self.request), "name": said and said.username})


class CredentialsTest(AsyncHTTPTestCase):
    def get_app(self) -> Any:
        return tornado.web.Application([("/", Handler)])

    def test_both(self) -> None:
        for value, expected in (
            ("Bearer abc", b'{"token": "abc", "name": null}'),
            ("Basic bWU6eA==", b'{"token": null, "name": "me"}'),
        ):
            response = self.fetch("/", headers={"Authorization": value})
            assert response.body == expected
