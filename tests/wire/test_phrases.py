"""The phrases beside status codes."""

from __future__ import annotations

import http.client

import pytest

from tests.python import python
from tornado_trio.wire.phrases import standard_phrase


def test_they_are_those_of_the_standard_library() -> None:
    assert {status: standard_phrase(status) for status in http.client.responses} == (
        http.client.responses
    )


def test_a_status_without_one() -> None:
    assert standard_phrase(799) == ""
    assert standard_phrase(799, "Unknown") == "Unknown"


def test_phrases_of_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http.client.responses, 799, "Ours")
    assert standard_phrase(799, "Unknown") == "Ours"


def test_without_the_clients_module() -> None:
    code = (
        "import sys\n"
        "from tornado_trio.wire.phrases import standard_phrase\n"
        "print(standard_phrase(404), {'http', 'http.client'} & set(sys.modules))\n"
        "found = {status: standard_phrase(status) for status in range(1000)}\n"
        "assert 'http.client' not in sys.modules\n"
        "import http.client\n"
        "assert {k: v for k, v in found.items() if v} == http.client.responses\n"
    )
    ended = python("-W", "error", "-c", code)
    assert ended.stdout.split() == ["Not", "Found", "set()"], ended.stderr
