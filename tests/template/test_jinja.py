"""Jinja2's templates by a handler's own methods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jinja2
import pytest
import trio
import trio.lowlevel

from tests.web.support import fetch
from tornado_trio import web
from tornado_trio.template.jinja import JinjaLoader


@pytest.fixture(autouse=True)
def fresh_loaders() -> Iterator[None]:
    web.RequestHandler._template_loaders.clear()
    yield
    web.RequestHandler._template_loaders.clear()


PAGES = {
    "base": "<html><head></head><body>{% block body %}{% endblock %}</body></html>",
    "page": "{% extends 'base' %}{% block body %}{{ name }} {{ reverse_url('home', '') }} "
    "{{ xsrf_form_html()[:6] }} {{ modules.Bold('<b>') }} {{ await_me() }}{% endblock %}",
    "plain": "{{ name }}",
}


class Bold(web.UIModule):
    def render(self, text: str) -> str:
        return f"<b>{len(text)}</b>"

    def embedded_css(self) -> str:
        return "b {}"


class Page(web.RequestHandler):
    async def get(self, how: str) -> None:
        async def await_me() -> str:
            await trio.lowlevel.checkpoint()
            return "later"

        if how == "render":
            await self.render("page", name="<i>", await_me=await_me)
        elif how == "stream":
            await self.render_stream("page", name="<i>", await_me=await_me)
        else:
            self.write(self.render_string("plain", name="<i>"))


def app_of(loader: JinjaLoader) -> web.Application:
    return web.Application(
        [web.url("/()", Page, name="home"), ("/(.+)", Page)],
        template_loader=loader,
        ui_modules={"Bold": Bold},
        compiled_template_cache=False,
    )


@pytest.mark.parametrize("how", ["render", "stream"])
async def test_a_page(how: str, tmp_path: Any) -> None:
    for name, source in PAGES.items():
        (tmp_path / name).write_text(source)
    app = app_of(JinjaLoader(tmp_path))
    for _ in range(2):
        body = (await fetch(app, f"/{how}")).body.decode()
        assert "&lt;i&gt; / <input <b>3</b> later" in body
        assert "b {}" in body
    (tmp_path / "base").write_text("new")  # in debug mode it is read anew
    assert (await fetch(app, f"/{how}")).body == b"new"


async def test_an_environment_of_the_program(caplog: pytest.LogCaptureFixture) -> None:
    plain = jinja2.Environment(loader=jinja2.DictLoader(PAGES))
    assert (await fetch(app_of(JinjaLoader(plain)), "/string")).body == b"<i>"
    web.RequestHandler._template_loaders.clear()  # they are shared between applications
    waiting = jinja2.Environment(loader=jinja2.DictLoader(PAGES), enable_async=True)
    assert (await fetch(app_of(JinjaLoader(waiting)), "/string")).code == 500
    assert "may await: use generate_async()" in caplog.text
