"""Where templates come from. Knows files and names; leaves their meaning to `Template`."""

from __future__ import annotations

import os.path
import posixpath
import threading
from typing import Any

from tornado_trio.template.errors import ParseError
from tornado_trio.template.runtime import DEFAULT_ESCAPE
from tornado_trio.template.template import Template

__all__ = ["BaseLoader", "DictLoader", "Loader"]


class BaseLoader:
    """Base of all loaders: keeps the templates it has made, and what they share.

    A loader of your own overrides `resolve_path` and `_create_template`. Loaders may be used
    from any thread.

    Args:
        autoescape: name of the function in the template's namespace that escapes
            expressions, or None for no escaping.
        namespace: names that all templates see.
        whitespace: ``all``, ``single`` or ``oneline`` (see `filter_whitespace`); by
            default ``single`` for ``.html`` and ``.js`` files and ``all`` for others.
    """

    def __init__(
        self,
        autoescape: str | None = DEFAULT_ESCAPE,
        namespace: dict[str, Any] | None = None,
        whitespace: str | None = None,
    ) -> None:
        self.autoescape = autoescape
        self.namespace: dict[str, Any] = namespace or {}
        self.whitespace = whitespace
        self.templates: dict[str, Template] = {}
        # Held while a template is made, which may load others.
        self.lock = threading.RLock()
        self._loading: list[str] = []

    def reset(self) -> None:
        """Forget all templates, so that they are read anew."""
        with self.lock:
            self.templates = {}

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """Turn `name`, which may be relative to the template `parent_path`, into a full name."""
        raise NotImplementedError

    def load(self, name: str, parent_path: str | None = None) -> Template:
        """Return the template `name`, made on the first call.

        Raises:
            ParseError: it cannot be parsed, or includes or extends itself.
            SyntaxError: an expression in it is not Python.
        """
        name = self.resolve_path(name, parent_path=parent_path)
        # Reading needs no lock: an entry is complete when it is put there.
        template = self.templates.get(name)
        if template is not None:
            return template
        with self.lock:
            template = self.templates.get(name)
            if template is None:
                if name in self._loading:
                    chain = " -> ".join([*self._loading, name])
                    raise ParseError(f"template includes or extends itself ({chain})", name, 0)
                self._loading.append(name)
                try:
                    template = self._create_template(name)
                finally:
                    self._loading.pop()
                self.templates[name] = template
            return template

    def _create_template(self, name: str) -> Template:
        raise NotImplementedError


class Loader(BaseLoader):
    """Loads templates from files under `root_directory`."""

    def __init__(self, root_directory: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root = os.path.abspath(root_directory)

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        if parent_path and not parent_path.startswith(("<", "/")) and not name.startswith("/"):
            parent = os.path.join(self.root, parent_path)
            wanted = os.path.abspath(os.path.join(os.path.dirname(parent), name))
            inside = os.path.join(self.root, "")  # with a separator: /a is not the root of /ab
            if wanted.startswith(inside):
                return wanted[len(inside) :]
        return name

    def _create_template(self, name: str) -> Template:
        with open(os.path.join(self.root, name), "rb") as file:
            return Template(file.read(), name=name, loader=self)


class DictLoader(BaseLoader):
    """Loads templates from a dictionary of names to sources."""

    def __init__(self, dict: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dict = dict

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        if parent_path and not parent_path.startswith(("<", "/")) and not name.startswith("/"):
            return posixpath.normpath(posixpath.join(posixpath.dirname(parent_path), name))
        return name

    def _create_template(self, name: str) -> Template:
        return Template(self.dict[name], name=name, loader=self)
