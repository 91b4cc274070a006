"""Templates, UI modules, locales, as handlers use them."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest
import trio

from tornado_trio.template import DictLoader
from tornado_trio.web import Application, RequestHandler, UIModule
from tornado_trio.web.localization import accepted_languages

from .support import fetch


def page(text: str, **settings: Any) -> Application:
    class Page(RequestHandler):
        def get(self) -> Any:
            return self.render("page.html", word="<w>")

        def value(self) -> str:
            return "v"

    templates = {"page.html": text, **settings.pop("templates", {})}
    return Application([("/.*", Page)], template_loader=DictLoader(templates), **settings)


async def body(text: str, **settings: Any) -> bytes:
    response = await fetch(page(text, **settings))
    assert response.code == 200, response.body
    return response.body


async def test_namespace() -> None:
    shown = await body(
        "{{ word }}|{{ request.method }}|{{ handler.value() }}|{{ current_user }}|"
        "{{ _('x') }}|{{ locale.code }}|{% raw xsrf_form_html()[:6] %}|{{ pgettext('a', 'y') }}"
    )
    assert shown == b"&lt;w&gt;|GET|v|None|x|en_US|<input|y"


async def test_reverse_url_and_static_url_in_templates(tmp_path: Path) -> None:
    (tmp_path / "x.js").write_bytes(b"x")
    app = page("{{ reverse_url('named', 5) }} {{ static_url('x.js') }}", static_path=str(tmp_path))
    app.add_handlers(".*", [("/n/(.*)", RequestHandler, {}, "named"), ("/p", type_of(app))])
    response = await fetch(app, "/p")
    assert response.body.startswith(b"/n/5 /static/x.js?v=")


def type_of(app: Application) -> type[RequestHandler]:
    handler: type[RequestHandler] = app.wildcard_router.rules[-1].target
    return handler


async def test_templates_that_await() -> None:
    class Page(RequestHandler):
        async def get(self) -> None:
            await self.render("page.html", later=self.later)

        async def later(self) -> str:
            await trio.lowlevel.checkpoint()
            return "later"

    loader = DictLoader({"page.html": "{{ await later() }}"})
    app = Application([("/", Page)], template_loader=loader)
    assert (await fetch(app)).body == b"later"


async def test_path_of_templates(tmp_path: Path) -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.render("a.html")

    (tmp_path / "a.html").write_text("{{ 1 + 1 }}<b>")
    app = Application([("/", Page)], template_path=str(tmp_path))
    assert (await fetch(app)).body == b"2<b>"
    (tmp_path / "a.html").write_text("changed")
    assert (await fetch(app)).body == b"2<b>"
    debug = Application([("/", Page)], template_path=str(tmp_path), compiled_template_cache=False)
    assert (await fetch(debug)).body == b"changed"


async def test_templates_beside_the_program(tmp_path: Path) -> None:
    source = """
from tornado_trio.web import RequestHandler
class Page(RequestHandler):
    def get(self):
        self.render("beside.html")
"""
    (tmp_path / "beside.html").write_text("beside")
    module = types.ModuleType("some_program")
    exec(compile(source, str(tmp_path / "program.py"), "exec"), module.__dict__)
    assert (await fetch(Application([("/", module.Page)]))).body == b"beside"


async def test_autoescape_setting(tmp_path: Path) -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.render("a.html")

    (tmp_path / "a.html").write_text("{{ '<' }}\n\n  x")
    app = Application(
        [("/", Page)],
        template_path=str(tmp_path),
        autoescape=None,
        template_whitespace="oneline",
    )
    assert (await fetch(app)).body == b"< x"


async def test_templates_of_another_engine() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.render("page.html", word="hello")

        def render_string(self, template_name: str, **kwargs: Any) -> bytes:
            text = f"{template_name}: {kwargs['word']}"
            return text  # type: ignore[return-value]  # as Jinja's, say

    response = await fetch(Application([("/", Page)]))
    assert (response.code, response.body) == (200, b"page.html: hello")


async def test_error_pages_may_be_rendered() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            1 / 0  # noqa: B018

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            self.render("error.html", code=status_code)

    loader = DictLoader({"error.html": "error {{ code }}"})
    response = await fetch(Application([("/", Page)], template_loader=loader))
    assert (response.code, response.body) == (500, b"error 500")


# --- UI modules --------------------------------------------------------------------------------


class Entry(UIModule):
    def render(self, entry: str) -> bytes:
        return self.render_string("entry.html", entry=entry, user=self.current_user)

    def css_files(self) -> str:
        return "/entry.css"

    def embedded_css(self) -> str:
        return ".e {}"

    def javascript_files(self) -> list[str]:
        return ["/a.js", "http://h/b.js", "/a.js"]

    def embedded_javascript(self) -> str:
        return "f()"

    def html_head(self) -> str:
        return "<meta>"

    def html_body(self) -> str:
        return "<hr>"


async def test_ui_modules_bring_their_resources() -> None:
    shown = await body(
        "<html><head></head><body>{% module Entry(word) %}{{ modules.Entry('x') }}</body></html>",
        templates={"entry.html": "[{{ entry }}]"},
        ui_modules={"Entry": Entry},
    )
    assert shown == (
        b'<html><head><link href="/entry.css" type="text/css" rel="stylesheet"/>\n'
        b'<style type="text/css">\n.e {}\n</style>\n<meta>\n</head>'
        b"<body>[&lt;w&gt;][x]"
        b'<script src="/a.js" type="text/javascript"></script>'
        b'<script src="http://h/b.js" type="text/javascript"></script>\n'
        b'<script type="text/javascript">\n//<![CDATA[\nf()\n//]]>\n</script>\n<hr>\n</body></html>'
    )


async def test_pages_without_the_tags_get_them_at_the_end() -> None:
    shown = await body(
        "{% module Entry('x') %}",
        templates={"entry.html": "e"},
        ui_modules={"Entry": Entry},
    )
    assert shown.startswith(b"e<script") and shown.endswith(b"<meta>\n")


async def test_template_module() -> None:
    text = (
        "<head></head><body>{% for e in '12' %}{% module Template('t.html', e=e) %}{% end %}"
        "{% module linkify('http://a.b') %}{% module xsrf_form_html() %}</body>"
    )
    template = (
        "{{ set_resources(css_files='/x.css', javascript_files=['/x.js'], html_body='<b>',"
        " embedded_css='c', embedded_javascript='j', html_head='h') }}{{ e }}"
    )
    shown = await body(text, templates={"t.html": template})
    assert shown.count(b"/x.css") == shown.count(b"/x.js") == 1
    assert b"<body>12" in shown and b'<a href="http://a.b">' in shown and b"_xsrf" in shown


async def test_resources_must_not_depend_on_arguments(caplog: pytest.LogCaptureFixture) -> None:
    text = "{% for e in '12' %}{% module Template('t.html', e=e) %}{% end %}"
    app = page(text, templates={"t.html": "{{ set_resources(html_head=e) }}"})
    assert (await fetch(app)).code == 500
    assert "set_resources called with different resources" in caplog.text


async def test_ui_methods() -> None:
    module = types.ModuleType("methods")

    def shout(handler: Any, text: str) -> str:
        return f"{text.upper()} {handler.value()}"

    module.shout = shout  # type: ignore[attr-defined]
    module.Entry = Entry  # type: ignore[attr-defined]
    module._hidden = shout  # type: ignore[attr-defined]
    shown = await body(
        "{{ shout('a') }} {{ own('b') }} {{ handler.ui.shout('c') }}",
        ui_methods=[module, {"own": shout}],
        ui_modules=[module],
    )
    assert shown == b"A v B v C v"
    app = page("", ui_methods=module, ui_modules=module)
    assert set(app.ui_methods) == {"shout"} and app.ui_modules["Entry"] is Entry


async def test_unknown_modules_are_attribute_errors() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            with pytest.raises(AttributeError):
                self.ui.modules.Nothing("x")
            with pytest.raises(AttributeError):
                _ = self.ui.nothing
            self.ui.added = 1
            assert self.ui["added"] == 1

    assert (await fetch(Application([("/", Page)]))).code == 200


def test_a_module_must_render() -> None:
    class Handler:
        request = ui = locale = current_user = None

    with pytest.raises(NotImplementedError):
        UIModule(Handler()).render()  # type: ignore[arg-type]


# --- locales -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        ("fr", ["fr"]),
        ("en;q=0.5, fr-FR;q=0.9", ["fr-FR", "en"]),
        ("en, fr;q=0", ["en"]),
        ("fr;q=-1, de; q=0.3", ["de"]),
        ("fr;q=rubbish", []),
    ],
)
def test_accept_language(header: str, codes: list[str]) -> None:
    assert accepted_languages(header) == codes


async def test_locale_of_browser_and_user() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.write(self.locale.code)

    class Own(Page):
        def prepare(self) -> None:
            self.locale = types.SimpleNamespace(code="mine")

    for header in ("en-US", "xx;q=0.1", ""):
        response = await fetch(Application([("/", Page)]), headers={"Accept-Language": header})
        assert response.body == b"en_US"
    assert (await fetch(Application([("/", Own)]))).body == b"mine"
