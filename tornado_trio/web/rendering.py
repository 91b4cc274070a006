"""Templates for handlers: finding the loader, rendering, and inserting the resources of UI modules.

Knows the template engine and UI modules; does not know how output is sent.
"""

from __future__ import annotations

import os.path
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..escape import utf8, xhtml_escape
from ..template import BaseLoader, Loader, Template

if TYPE_CHECKING:
    from .handler import RequestHandler
    from .ui import UIModule

# Modules whose frames are not the program's: see `caller_directory`.
_OURS = ("tornado_trio.", "tornado.web")


def is_absolute(path: str) -> bool:
    """Whether `path` needs no `static_url`: it names a host, or starts at the root."""
    return path.startswith(("/", "http:", "https:"))


def load(handler: RequestHandler, template_name: str) -> Template:
    """The template of that name, from the handler's loader for its template path."""
    path = handler.get_template_path() or caller_directory()
    loaders = handler._template_loaders
    loader = loaders.get(path)
    if loader is None:
        with handler._template_loader_lock:
            loader = loaders.get(path)
            if loader is None:
                loaders[path] = loader = handler.create_template_loader(path)
    return loader.load(template_name)


def caller_directory() -> str:
    """The directory of the program's file that asked for a template."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(_OURS):
            break
        frame = frame.f_back
    return os.path.dirname(frame.f_code.co_filename)


def default_loader(settings: dict[str, Any], template_path: str) -> BaseLoader:
    """The loader that the application's settings ask for."""
    loader: BaseLoader | None = settings.get("template_loader")
    if loader is not None:
        return loader
    kwargs: dict[str, Any] = {}
    if "autoescape" in settings:
        # None is a value here: no escaping.
        kwargs["autoescape"] = settings["autoescape"]
    if "template_whitespace" in settings:
        kwargs["whitespace"] = settings["template_whitespace"]
    return Loader(template_path, **kwargs)


def module_renderer(
    handler: RequestHandler, name: str, module: type[UIModule]
) -> Callable[..., Any]:
    """The function a template calls to render a UI module."""

    def render(*args: Any, **kwargs: Any) -> Any:
        active = getattr(handler, "_active_modules", None)
        if active is None:
            active = handler._active_modules = {}
        instance = active.get(name)
        if instance is None:
            instance = active[name] = module(handler)
        return instance.render(*args, **kwargs)

    return render


# --- resources -------------------------------------------------------------------------


def insert_resources(handler: RequestHandler, html: bytes) -> bytes:
    """The page with what its UI modules need: CSS in the head, scripts at the body's end."""
    modules = getattr(handler, "_active_modules", None)
    if not modules:
        return html
    js_embed: list[bytes] = []
    js_files: list[str] = []
    css_embed: list[bytes] = []
    css_files: list[str] = []
    heads: list[bytes] = []
    bodies: list[bytes] = []
    for module in modules.values():
        _text(js_embed, module.embedded_javascript())
        _names(js_files, module.javascript_files())
        _text(css_embed, module.embedded_css())
        _names(css_files, module.css_files())
        _text(heads, module.html_head())
        _text(bodies, module.html_body())
    tail: list[bytes] = []
    if js_files:
        tail.append(utf8(handler.render_linked_js(js_files)))
    if js_embed:
        tail.append(handler.render_embed_js(js_embed))
    if bodies:
        tail.append(b"".join(bodies))
    head: list[bytes] = []
    if css_files:
        head.append(utf8(handler.render_linked_css(css_files)))
    if css_embed:
        head.append(handler.render_embed_css(css_embed))
    if heads:
        head.append(b"".join(heads))
    html = _before(html, html.rfind(b"</body>"), tail)
    return _before(html, html.find(b"</head>"), head)


def _before(html: bytes, at: int, pieces: list[bytes]) -> bytes:
    if not pieces:
        return html
    if at < 0:
        at = len(html)  # a page without the tag gets them at its end
    return html[:at] + b"\n".join(pieces) + b"\n" + html[at:]


def _text(found: list[bytes], value: str | bytes | None) -> None:
    if value:
        found.append(utf8(value))


def _names(found: list[str], value: Any) -> None:
    if value:
        found.extend([value] if isinstance(value, str) else value)


def linked(handler: RequestHandler, files: Iterable[str], template: str) -> str:
    """`template` filled in with the URL of each file, once each."""
    urls = [p if is_absolute(p) else handler.static_url(p) for p in dict.fromkeys(files)]
    return "".join(template % xhtml_escape(url) for url in urls)


SCRIPT = '<script src="%s" type="text/javascript"></script>'
STYLESHEET = '<link href="%s" type="text/css" rel="stylesheet"/>'


def embedded_js(parts: Iterable[bytes]) -> bytes:
    return (
        b'<script type="text/javascript">\n//<![CDATA[\n'
        + b"\n".join(parts)
        + b"\n//]]>\n</script>"
    )


def embedded_css(parts: Iterable[bytes]) -> bytes:
    return b'<style type="text/css">\n' + b"\n".join(parts) + b"\n</style>"
