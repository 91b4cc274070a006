"""Modules of the overlay that only give the native implementation its old name."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

from pathlib import Path

import pytest
import tornado._locale_data
import tornado.locale
import tornado.template

import tornado_trio.locale
import tornado_trio.template


def test_template() -> None:
    for name in tornado.template.__all__:
        assert getattr(tornado.template, name) is getattr(tornado_trio.template, name)
    loader = tornado.template.DictLoader({"t": "{{ x }}"})
    assert loader.load("t").generate(x="<") == b"&lt;"


def test_loggers_are_where_programs_patch_them() -> None:
    import tornado.iostream
    import tornado.simple_httpclient
    import tornado.web
    import tornado.websocket
    from tornado.log import access_log, app_log, gen_log

    assert tornado.web.access_log is access_log
    assert tornado.web.app_log is tornado.websocket.app_log is app_log
    for module in (tornado.web, tornado.websocket, tornado.iostream, tornado.simple_httpclient):
        assert module.gen_log is gen_log


def test_the_overlay_has_one_escaping_function() -> None:
    """A template takes the fast path only for the very function that it knows."""
    from tornado.escape import xhtml_escape

    from tornado_trio.template import runtime

    assert xhtml_escape is runtime.xhtml_escape


def test_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tornado.locale.__all__:
        assert getattr(tornado.locale, name) is getattr(tornado_trio.locale, name)
    assert tornado._locale_data.LOCALE_NAMES is tornado.locale.LOCALE_NAMES
    before = dict(vars(tornado.locale.catalogue))
    try:
        (tmp_path / "es.csv").write_text('"a","b"')
        tornado.locale.load_translations(str(tmp_path))
        assert tornado.locale._translations == {"es": {"unknown": {"a": "b"}}}
        assert tornado.locale._supported_locales == {"en_US", "es"}
        assert tornado.locale._use_gettext is False
        assert tornado.locale._default_locale == "en_US"
        tornado.locale.load_gettext_translations(str(tmp_path), "x")
        assert tornado.locale._use_gettext is True
        assert tornado.locale._translations == {}
    finally:
        vars(tornado.locale.catalogue).update(before)
        tornado.locale.Locale._cache.clear()
    with pytest.raises(AttributeError):
        tornado.locale._nothing  # noqa: B018


def test_locale_of_older_programs() -> None:
    class Old(tornado.locale.Locale):
        def __init__(self, code: str, translations: dict[str, str]) -> None:
            super().__init__(code, translations)

        def translate(self, message, plural_message=None, count=None):  # type: ignore[no-untyped-def]
            return self.translations.get(message, message)

    assert Old("fr_FR", {"May": "mai"})._months[4] == "mai"
