"""The native library loads neither asyncio nor the overlay, unless asked to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.python import python

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tornado_trio"
PARTS = sorted(
    path.name.removesuffix(".py")
    for path in PACKAGE.iterdir()
    if (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem != "__init__")
)
# The bridge to asyncio is there for it; the command line loads the overlay when told to.
WITH_ASYNCIO = {"interop"}


@pytest.mark.parametrize("part", [part for part in PARTS if part not in WITH_ASYNCIO])
def test_loads_alone(part: str) -> None:
    code = (
        f"import sys, tornado_trio.{part}\n"
        "loaded = {'asyncio', 'tornado', 'compat'} & set(sys.modules)\n"
        "print(*loaded)\n"
    )
    ended = python("-W", "error", "-c", code)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == []


@pytest.mark.parametrize(
    ("name", "later"),
    [
        (
            "tornado.web",
            "h11 tornado_trio.server tornado_trio.client tornado_trio.wire.websocket "
            "tornado_trio.wire.multipart tornado.httpserver "
            "http.client email.parser difflib uuid",
        ),
        ("tornado.httpserver", "h11 tornado_trio.server tornado_trio.client http.client"),
        ("tornado.websocket", "h11 tornado_trio.server tornado_trio.client"),
        ("tornado.httpclient", "h11 tornado_trio.server tornado_trio.client http.client"),
        ("tornado_trio.client", "h11 tornado_trio.server http.client email.utils"),
    ],
)
def test_what_few_programs_need_is_loaded_later(name: str, later: str) -> None:
    code = f"import compat, sys, {name}\nprint(*set({later.split()!r}) & set(sys.modules))\n"
    ended = python("-c", code)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == []


def test_names_loaded_later() -> None:
    from tornado_trio import web

    assert set(web.__all__) <= set(dir(web))
    assert web.WebSocketHandler.__module__ == "tornado_trio.web.websocket"
    with pytest.raises(AttributeError, match="no_such_name"):
        web.no_such_name  # noqa: B018 - asking is the point
