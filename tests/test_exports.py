"""What `from tornado_trio import ...` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tornado_trio


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
