"""Jinja2 templates in the place of ours: `Application(template_loader=JinjaLoader("templates"))`.

Handlers render them by `render`, `render_string` and `render_stream` as usual. Extra `jinja`.
Knows Jinja2's environments and the interface of templates. Must not know handlers.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from ..escape import url_escape
from .loader import BaseLoader

try:
    import jinja2
    import markupsafe
except ImportError as error:  # pragma: no cover - an environment without the extra
    raise ImportError("JinjaLoader needs Jinja2: pip install 'tornado-trio[jinja]'") from error

__all__ = ["JinjaLoader"]

# What these functions of a handler return is HTML.
_HTML = ("xsrf_form_html", "linkify")


class JinjaLoader(BaseLoader):
    """Loads templates by a Jinja2 environment.

    Args:
        source: an environment, or a directory, of which one is made that escapes HTML and may
            await (`enable_async`).

    Templates see what ours see: `handler`, `request`, `current_user`, `locale`, `_`, `static_url`,
    `xsrf_form_html`, `reverse_url`, UI methods and `modules`.
    """

    def __init__(self, source: str | os.PathLike[str] | jinja2.Environment) -> None:
        super().__init__()
        if not isinstance(source, jinja2.Environment):
            source = jinja2.Environment(
                loader=jinja2.FileSystemLoader(source),
                autoescape=jinja2.select_autoescape(default_for_string=True, default=True),
                enable_async=True,
            )
        self.environment = source
        source.globals.setdefault("url_escape", url_escape)

    def reset(self) -> None:
        """Forget all templates, so that they are read anew."""
        if self.environment.cache is not None:
            self.environment.cache.clear()

    def load(self, name: str, parent_path: str | None = None) -> Any:
        """The template. Raises jinja2.TemplateNotFound, jinja2.TemplateSyntaxError."""
        return JinjaTemplate(self.environment.get_template(name, parent_path))


class JinjaTemplate:
    """A template of Jinja2's with the interface of `template.Template`."""

    def __init__(self, template: jinja2.Template) -> None:
        self._template = template
        self.name = template.name

    @property
    def asynchronous(self) -> bool:
        """Whether only `generate_async` and `stream` can run it."""
        return bool(self._template.environment.is_async)

    def generate(self, **kwargs: Any) -> bytes:
        """The output of a template of an environment that does not await."""
        if self.asynchronous:
            # Jinja2 would start an asyncio loop.
            raise TypeError(
                f"template {self.name} may await: use generate_async() or stream(), or an "
                "environment without enable_async"
            )
        return self._template.render(_namespace(kwargs)).encode()

    async def generate_async(self, **kwargs: Any) -> bytes:
        """The output."""
        if not self.asynchronous:
            return self.generate(**kwargs)
        return (await self._template.render_async(_namespace(kwargs))).encode()

    async def stream(self, **kwargs: Any) -> AsyncGenerator[bytes, None]:
        """The output piece by piece."""
        names = _namespace(kwargs)
        if self.asynchronous:
            pieces: Any = self._template.generate_async(names)
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece.encode()
        else:
            for piece in self._template.generate(names):
                yield piece.encode()


def _namespace(names: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(names)
    for name in _HTML:
        if callable(function := found.get(name)):
            found[name] = _marked(function)
    if (modules := found.get("modules")) is not None:
        found["modules"] = _Modules(modules)
    return found


def _marked(function: Any) -> Any:
    def html(*args: Any, **kwargs: Any) -> Any:
        text = function(*args, **kwargs)
        return markupsafe.Markup(text.decode() if isinstance(text, bytes) else text)

    return html


class _Modules:
    """UI modules, whose output is HTML."""

    def __init__(self, modules: Any) -> None:
        self._modules = modules

    def __getattr__(self, name: str) -> Any:
        return _marked(getattr(self._modules, name))
