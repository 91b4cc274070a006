"""What `from tornado_trio import ...` offers, and what it costs."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tornado_trio

DOCS = Path(__file__).parent.parent / "docs"


def test_each_name_is_there() -> None:
    for name in tornado_trio.__all__:
        assert getattr(tornado_trio, name) is not None
    from tornado_trio import serve, web
    from tornado_trio.server import serve as same

    assert serve is same and web.Application
    assert set(tornado_trio.__all__) <= set(dir(tornado_trio))
    with pytest.raises(AttributeError, match="no_such_name"):
        tornado_trio.no_such_name  # noqa: B018


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = "import tornado_trio, sys; print('trio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "False", done.stderr


PUBLIC = re.findall(
    r"`(?:tornado_trio)?\.(\w+)`",
    "".join(
        line
        for line in (DOCS / "reference" / "public.md").read_text().splitlines(keepends=True)
        if line.startswith("| `tornado_trio")
    ),
)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_modules_have_what_they_list(name: str) -> None:
    module = importlib.import_module(f"tornado_trio.{name}")
    assert module.__doc__
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported), exported


def test_public_modules_are_found() -> None:
    assert {"web", "server", "client", "websocket", "errors", "template"} <= set(PUBLIC)
