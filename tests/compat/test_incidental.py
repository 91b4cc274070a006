"""Names that upstream's modules have by importing them resolve to what they are upstream."""

import compat  # noqa: F401  isort: skip

import importlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from tornado._impl.incidental import TABLE, targets

from tests.python import python

# What the import statements of 4.5.3, 5.1.1 and 6.6.1 bind, made from their files.
NAMES: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "upstream" / "data" / "incidental.json").read_text()
)
ELSEWHERE = {
    "tornado.platform.windows": "nt",
    "tornado.platform.kqueue": "a selector of BSD",
    "tornado.platform.caresresolver": "pycares",
    "tornado.platform.twisted": "twisted",
    "tornado.curl_httpclient": "pycurl",
}
MISSING_LIBRARIES = ("certifi", "colorama", "pycurl")


def value_of(target: str) -> Any:
    home, _, attribute = target.partition(":")
    try:
        found: Any = importlib.import_module(home)
    except ImportError:
        assert home in MISSING_LIBRARIES
        return None
    if not attribute:
        return found
    if not hasattr(found, attribute):
        return importlib.import_module(f"{home}.{attribute}")
    return getattr(found, attribute)


@pytest.mark.parametrize("module", sorted(NAMES))
def test_every_name_is_what_it_is_upstream(module: str) -> None:
    try:
        ours = importlib.import_module(module)
    except (ImportError, AttributeError) as error:
        assert module in ELSEWHERE, error
        pytest.skip(f"needs {ELSEWHERE[module]}")
    wrong = {}
    for name, target in NAMES[module].items():
        found = getattr(ours, name)
        if found is not value_of(target):
            wrong[name] = found
    assert wrong == {}


def test_programs_import_them() -> None:
    code = """
import compat
from tornado.web import gen, escape, template, httputil, iostream, HTTPServer, urlencode
from tornado.httputil import urlencode
from tornado.websocket import StreamClosedError
import tornado.web, tornado.iostream, tornado.template, tornado.auth
assert tornado.web.gen.coroutine is __import__("tornado.gen").gen.coroutine
assert tornado.iostream.errno.ECONNRESET
assert tornado.template.escape.xhtml_escape("<") == "&lt;"
assert tornado.auth.urllib_parse.quote(" ") == "%20"
"""
    ended = python("-c", code)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_nothing_of_it_shows_or_costs_before_it_is_asked_for() -> None:
    code = """
import compat, sys
import tornado.web, tornado.httputil, tornado.gen, tornado.ioloop, tornado.auth
assert "tornado._impl.incidental" not in sys.modules
assert "gen" not in dir(tornado.web) and "urlencode" not in dir(tornado.httputil)
names = {}
exec("from tornado.web import *", names)
assert "gen" not in names and "RequestHandler" in names
try:
    tornado.web.no_such_name
except AttributeError as error:
    assert str(error) == "module 'tornado.web' has no attribute 'no_such_name'", error
else:
    raise AssertionError
"""
    ended = python("-c", code)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_table_has_nothing_else() -> None:
    for module in TABLE:
        assert set(targets(module)) <= set(NAMES[module]), module
        assert not any(isinstance(name, types.ModuleType) for name in targets(module))
    assert set(TABLE) == set(NAMES)


def test_a_missing_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from tornado._impl import incidental

    monkeypatch.setitem(sys.modules, "pycurl", None)
    with pytest.raises(AttributeError, match="pycurl, which is not installed"):
        incidental.find("tornado.curl_httpclient", "pycurl")
