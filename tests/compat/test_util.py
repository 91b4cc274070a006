"""Tornado's util and escape: what they add to the native helpers."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import datetime
import functools
import gzip
import re
import sys
import unittest
import zlib
from typing import Any

import pytest
from tornado import escape, util
from tornado.util import ArgReplacer, Configurable, GzipDecompressor, ObjectDict, import_object

import tornado_trio.escape


def test_escape_is_native() -> None:
    for name in tornado_trio.escape.__all__:
        if name not in ("linkify", "unquote_to_bytes"):
            assert getattr(escape, name) is getattr(tornado_trio.escape, name)
    assert escape.linkify("http://a") == '<a href="http://a">http://a</a>'
    assert escape._unquote_to_bytes(b"%41") == b"A" and escape._unicode(b"x") == "x"


def test_old_names() -> None:
    assert util.u("x") == "x" and util.b("\xe9") == b"\xe9" and util.PY3
    assert util.unicode_type is str and util.bytes_type is bytes and util.basestring_type is str
    assert list(util.xrange(2)) == [0, 1] and not util.is_finalizing()


def test_object_dict() -> None:
    d = ObjectDict(a=1)
    d.b = 2
    assert d.a == 1 and d == {"a": 1, "b": 2}
    with pytest.raises(AttributeError):
        d.c  # noqa: B018


# --- gzip --------------------------------------------------------------------------------


def test_gzip_members_in_pieces() -> None:
    data = gzip.compress(b"a" * 1000) + gzip.compress(b"") + gzip.compress(b"b" * 10)
    decompressor = GzipDecompressor()
    out = b""
    for i in range(0, len(data), 3):
        chunk = data[i : i + 3]
        while chunk:
            out += decompressor.decompress(chunk, 100)
            chunk = decompressor.unconsumed_tail
    assert decompressor.flush() == b"" and out == b"a" * 1000 + b"b" * 10


def test_gzip_errors() -> None:
    packed = gzip.compress(b"x" * 5000)
    for data in (packed + b"junk", b"<html>"):
        with pytest.raises(zlib.error):
            GzipDecompressor().decompress(data, 10_000)
    truncated = GzipDecompressor()
    truncated.decompress(packed[:-1], 10_000)
    with pytest.raises(zlib.error):
        truncated.flush()
    unread = GzipDecompressor()
    assert len(unread.decompress(packed, 10)) == 10 and unread.unconsumed_tail
    with pytest.raises(ValueError):
        unread.flush()
    with pytest.warns(DeprecationWarning):
        assert len(GzipDecompressor().decompress(packed)) == 5000


# --- small functions ---------------------------------------------------------------------


def test_import_object() -> None:
    import os.path

    assert import_object("os.path.join") is os.path.join and import_object("os") is os
    for name in ("os.nope", "nope", "nope.x"):
        with pytest.raises(ImportError):
            import_object(name)


def test_exec_in() -> None:
    namespace: dict[str, Any] = {}
    util.exec_in("x = 1", namespace)
    local: dict[str, Any] = {}
    util.exec_in(compile("y = x", "<test>", "exec"), namespace, local)
    assert namespace["x"] == 1 and local == {"y": 1}


def test_raise_exc_info() -> None:
    class TwoArguments(Exception):
        def __init__(self, a: int, b: int) -> None:
            super().__init__()

    try:
        raise TwoArguments(1, 2)
    except TwoArguments:
        info = sys.exc_info()
    with pytest.raises(TwoArguments) as caught:
        util.raise_exc_info(info)
    assert caught.value is info[1]
    with pytest.raises(TypeError):
        util.raise_exc_info((None, None, None))


def test_errno() -> None:
    assert util.errno_from_exception(OSError(5, "x")) == 5
    assert util.errno_from_exception(Exception(7)) == 7
    assert util.errno_from_exception(Exception()) is None


def test_re_unescape() -> None:
    for text in ("a.b\\c d\n\x00", "\xe9", ""):
        assert util.re_unescape(re.escape(text)) == text
    for pattern in ("\\d", "\\n", "a\\1"):
        with pytest.raises(ValueError):
            util.re_unescape(pattern)


def test_timedelta() -> None:
    assert util.timedelta_to_seconds(datetime.timedelta(1, 2, 3)) == 86402.000003


def test_websocket_mask() -> None:
    assert util._websocket_mask_python(b"abcd", b"hello") == b"\t\x07\x0f\x08\x0e"
    assert util._websocket_mask(b"abcd", b"") == b""
    for mask in (b"", b"abc", b"abcde"):
        with pytest.raises(ValueError):
            util._websocket_mask_python(mask, b"x")


def test_arg_replacer() -> None:
    def function(x: Any, callback: Any = None, *args: Any, z: Any = 1, **kwargs: Any) -> None: ...

    replacer = ArgReplacer(function, "callback")
    assert (replacer.name, replacer.arg_pos) == ("callback", 1)
    assert replacer.get_old_value((1, 2), {}) == 2
    assert replacer.replace("new", (1, 2), {}) == (2, [1, "new"], {})
    assert replacer.get_old_value((1,), {"callback": 3}) == 3
    assert replacer.get_old_value((1,), {}, "default") == "default"
    assert replacer.replace("new", (1,), {"y": 2}) == (None, (1,), {"y": 2, "callback": "new"})
    assert ArgReplacer(function, "z").arg_pos is None
    assert ArgReplacer(len, "callback").arg_pos is None
    assert ArgReplacer(functools.partial(function, 1), "callback").arg_pos == 0


class Shape(Configurable):
    @classmethod
    def configurable_base(cls) -> Any:
        return Shape

    @classmethod
    def configurable_default(cls) -> Any:
        return Circle


class Circle(Shape):
    def initialize(self, size: int = 1) -> None:
        self.size = size


class Square(Circle):
    pass


def test_configurable() -> None:
    saved = Shape._save_configuration()
    try:
        assert type(Shape()) is Circle and Shape.configured_class() is Circle
        Shape.configure(Square, size=5)
        assert type(Shape()) is Square and Shape().size == 5 and Shape(size=6).size == 6
        assert type(Circle()) is Circle and Circle().size == 1
        Shape.configure(f"{__name__}.Circle")
        assert type(Shape()) is Circle
        with pytest.raises(ValueError):
            Shape.configure(dict)
    finally:
        Shape._restore_configuration(saved)
    assert type(Shape()) is Circle
    with pytest.raises(NotImplementedError):
        Configurable()


def test_doctests() -> None:
    result = unittest.TestResult()
    util.doctests().run(result)
    assert result.testsRun and result.wasSuccessful()
