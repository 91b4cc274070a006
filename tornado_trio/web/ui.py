"""UI modules: reusable parts of a page that bring their own CSS and JavaScript.

Knows the handler it renders for; knows nothing of how the page is put together
(`rendering`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .._util.object_dict import ObjectDict
from ..escape import linkify

if TYPE_CHECKING:
    from .handler import RequestHandler

__all__ = ["TemplateModule", "UIModule"]


class UIModule:
    """Base of UI modules. One instance per handler and name; `render` may be called often."""

    def __init__(self, handler: RequestHandler) -> None:
        self.handler = handler
        self.request = handler.request
        self.ui = handler.ui
        self.locale = handler.locale

    @property
    def current_user(self) -> Any:
        """The handler's."""
        return self.handler.current_user

    def render(self, *args: Any, **kwargs: Any) -> str | bytes:
        """The module's HTML. Must be overridden."""
        raise NotImplementedError()

    def embedded_javascript(self) -> str | None:
        """JavaScript to embed in the page once."""
        return None

    def javascript_files(self) -> Any:
        """A URL or static path, or a list of them, to load as JavaScript."""
        return None

    def embedded_css(self) -> str | None:
        """CSS to embed in the page once."""
        return None

    def css_files(self) -> Any:
        """A URL or static path, or a list of them, to load as CSS."""
        return None

    def html_head(self) -> str | None:
        """HTML to put at the end of the page's head."""
        return None

    def html_body(self) -> str | None:
        """HTML to put at the end of the page's body."""
        return None

    def render_string(self, path: str, **kwargs: Any) -> bytes:
        """A template rendered with the handler's namespace."""
        return self.handler.render_string(path, **kwargs)


class Linkify(UIModule):
    """`{% module linkify(text) %}`: text with links for its URLs."""

    def render(self, text: str, **kwargs: Any) -> str:
        return linkify(text, **kwargs)


class XSRFFormHTML(UIModule):
    """`{% module xsrf_form_html() %}`: the hidden field with the XSRF token."""

    def render(self) -> str:
        return self.handler.xsrf_form_html()


class TemplateModule(UIModule):
    """`{% module Template("entry.html", entry=e) %}`: a template with its own namespace.

    Inside of it `set_resources(css_files=..., embedded_javascript=...)` does what the
    methods of `UIModule` do, once per template file.
    """

    def __init__(self, handler: RequestHandler) -> None:
        super().__init__(handler)
        self._resources: dict[str, dict[str, Any]] = {}

    def render(self, path: str, **kwargs: Any) -> bytes:
        def set_resources(**resources: Any) -> str:
            if self._resources.setdefault(path, resources) != resources:
                raise ValueError(
                    "set_resources called with different resources for the same template"
                )
            return ""

        return self.render_string(path, set_resources=set_resources, **kwargs)

    def _each(self, key: str) -> Iterator[Any]:
        return (r[key] for r in self._resources.values() if key in r)

    def _files(self, key: str) -> list[str]:
        result: list[str] = []
        for files in self._each(key):
            result.extend([files] if isinstance(files, str) else files)
        return result

    def embedded_javascript(self) -> str:
        return "\n".join(self._each("embedded_javascript"))

    def javascript_files(self) -> list[str]:
        return self._files("javascript_files")

    def embedded_css(self) -> str:
        return "\n".join(self._each("embedded_css"))

    def css_files(self) -> list[str]:
        return self._files("css_files")

    def html_head(self) -> str:
        return "".join(self._each("html_head"))

    def html_body(self) -> str:
        return "".join(self._each("html_body"))


class ModuleNamespace:
    """`modules.Name(...)` in templates: an attribute or item per UI module."""

    def __init__(self, handler: RequestHandler, modules: Mapping[str, type[UIModule]]) -> None:
        self.handler = handler
        self.ui_modules = modules

    def __getitem__(self, key: str) -> Callable[..., Any]:
        return self.handler._ui_module(key, self.ui_modules[key])

    def __getattr__(self, key: str) -> Callable[..., Any]:
        try:
            return self[key]
        except KeyError as exc:
            raise AttributeError(str(exc)) from None


def names_for(
    handler: RequestHandler,
    methods: Mapping[str, Callable[..., Any]],
    modules: Mapping[str, type[UIModule]],
) -> ObjectDict:
    """The names UI methods and modules have in a handler's templates."""
    names = ObjectDict({name: _bound(handler, method) for name, method in methods.items()})
    # _tt_modules is what {% module %} compiles to; it cannot be shadowed by a variable.
    names["_tt_modules"] = ModuleNamespace(handler, modules)
    names["modules"] = names["_tt_modules"]
    return names


def _bound(handler: RequestHandler, method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: method(handler, *args, **kwargs)


def collect_modules(found: dict[str, Any], source: Any) -> None:
    """Add the UI modules of `source`: a Python module, a list of them, or a dict."""
    if isinstance(source, Mapping):
        found.update(
            (name, cls)
            for name, cls in source.items()
            if isinstance(cls, type) and issubclass(cls, UIModule)
        )
    elif isinstance(source, (list, tuple)):
        for each in source:
            collect_modules(found, each)
    elif source is not None:
        collect_modules(found, {name: getattr(source, name) for name in dir(source)})


def collect_methods(found: dict[str, Any], source: Any) -> None:
    """Add the UI methods of `source`: public functions whose name starts in lower case."""
    if isinstance(source, Mapping):
        found.update(
            (name, fn)
            for name, fn in source.items()
            if not name.startswith("_") and callable(fn) and name[0].lower() == name[0]
        )
    elif isinstance(source, (list, tuple)):
        for each in source:
            collect_methods(found, each)
    elif source is not None:
        collect_methods(found, {name: getattr(source, name) for name in dir(source)})
