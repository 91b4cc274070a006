"""A template: parsed, compiled, and ready to be filled in.

Knows the parser, the code generator and what generated code needs; knows a loader only
as something with `load`. Does no I/O of its own.

The parser and the code generator are imported when the first template is made: every web
program imports this module, and they would take 8 ms of its start.
"""

from __future__ import annotations

import linecache
import types
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

from tornado_trio.escape import utf8
from tornado_trio.template.errors import ParseError
from tornado_trio.template.runtime import DEFAULT_ESCAPE, DEFAULT_NAMESPACE, escaper, text
from tornado_trio.template.whitespace import default_mode

if TYPE_CHECKING:
    from tornado_trio.template.codegen import Source
    from tornado_trio.template.loader import BaseLoader
    from tornado_trio.template.nodes import File

__all__ = ["Template"]


class _Unset:
    """Stands for an argument that was not given, where None means something."""

    def __repr__(self) -> str:
        return "<default>"


_UNSET = _Unset()


class Template:
    """A compiled template.

    Args:
        template_string: the source, as text or UTF-8.
        name: what errors call it; its extension chooses the default whitespace mode.
        loader: finds what the template includes or extends, and gives defaults.
        compress_whitespace: old form of `whitespace`: True is ``single``, False ``all``.
        autoescape: name of the escaping function, None for no escaping.
        whitespace: ``all``, ``single`` or ``oneline``.

    Raises:
        ParseError: the template language is broken.
        SyntaxError: an expression or statement is not Python.
    """

    def __init__(
        self,
        template_string: str | bytes,
        name: str = "<string>",
        loader: BaseLoader | None = None,
        compress_whitespace: bool | _Unset = _UNSET,
        autoescape: str | _Unset | None = _UNSET,
        whitespace: str | None = None,
    ) -> None:
        from tornado_trio.template.parser import parse

        self.name = name
        self.loader = loader
        self.namespace: dict[str, Any] = loader.namespace if loader is not None else {}
        if not isinstance(autoescape, _Unset):
            escape = autoescape
        else:
            escape = loader.autoescape if loader is not None else DEFAULT_ESCAPE
        if not isinstance(compress_whitespace, _Unset):
            if whitespace is not None:
                raise Exception("cannot set both whitespace and compress_whitespace")
            whitespace = "single" if compress_whitespace else "all"
        if whitespace is None and loader is not None:
            whitespace = loader.whitespace
        source = template_string if isinstance(template_string, str) else template_string.decode()
        self.file = parse(
            source, name, autoescape=escape, whitespace=whitespace or default_mode(name)
        )
        self.autoescape = self.file.autoescape
        self._compile()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @property
    def asynchronous(self) -> bool:
        """Whether the template awaits: only `generate_async` and `stream` can then run it."""
        return self._asynchronous

    def generate(self, **kwargs: Any) -> bytes:
        """Fill in the template with the given variables.

        Raises whatever the template's own code raises; the traceback's lines end
        in comments that say where in which template they come from.
        """
        if self._asynchronous:
            raise TypeError(
                f"template {self.name} awaits: use generate_async() or stream() in place of"
                " generate()"
            )
        try:
            output: bytes = self._start(kwargs)
        except BaseException:
            self._remember_source()
            raise
        return output

    async def generate_async(self, **kwargs: Any) -> bytes:
        """`generate` for a template that may await.

        Cancellation: is raised inside the template, whose ``finally`` clauses run.
        """
        if not self._asynchronous:
            return self.generate(**kwargs)
        return b"".join([chunk async for chunk in self.stream(**kwargs)])

    async def stream(self, **kwargs: Any) -> AsyncGenerator[bytes, None]:
        """The output piece by piece: what is ready before each point at which the template
        awaits. A template that never awaits is one piece.

        Cancellation: is raised inside the template. Leave the iteration early
        only with `contextlib.aclosing` around it, as with any asynchronous generator.
        """
        if not self._asynchronous:
            yield self.generate(**kwargs)
            return
        try:
            async with aclosing(self._start(kwargs)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except BaseException:
            self._remember_source()
            raise

    def _start(self, variables: dict[str, Any]) -> Any:
        """Call the template's function: its output, or the generator of its output."""
        # A fresh function over the same code is cheaper than running a module that
        # defines one: 0.1 against 1.2 µs.
        names = {**self._names, **self.namespace, **variables}
        function = types.FunctionType(self._code, names)
        return function(escaper(names[DEFAULT_ESCAPE]), text, utf8)

    # Compiling

    def _compile(self) -> None:
        from tornado_trio.template.codegen import generate

        files = self._ancestry()
        source = generate(files, self._find)
        self.code = source.code
        self._filename = f"{self.name.replace('.', '_')}.generated.py"
        self._use(source)
        assigned = {*self._code.co_varnames, *self._code.co_cellvars} - {"_tt_escape"}
        if DEFAULT_ESCAPE in assigned:
            # The template assigns the escaping function's name: look it up there.
            self._use(generate(files, self._find, by_name=True))

    def _use(self, source: Source) -> None:
        self.code = source.code
        self._asynchronous = source.asynchronous
        self.compiled = compile(utf8(source.code), self._filename, "exec", dont_inherit=True)
        self._code = next(
            constant
            for constant in self.compiled.co_consts
            if isinstance(constant, types.CodeType) and constant.co_name == "_tt_execute"
        )
        # What shows generated lines in the traceback of a frame that has not ended.
        loader: Any = _SourceLoader(source.code)
        name = self.name.replace(".", "_")
        self._names: dict[str, Any] = {
            **DEFAULT_NAMESPACE,
            "__name__": name,
            "__loader__": loader,
            "__spec__": ModuleSpec(name, loader),  # where 3.15 looks for the loader
        }

    def _ancestry(self) -> list[File]:
        """This template's file, then those it extends, nearest first."""
        from tornado_trio.template.nodes import Extends

        files = [self.file]
        for node in self.file.body:
            if isinstance(node, Extends):
                # The last one counts, as it always has.
                files[1:] = self._loaded(node.name, self.name, node.line)._ancestry()
        return files

    def _find(self, name: str, parent: str) -> File:
        return self._loaded(name, parent, 0).file

    def _loaded(self, name: str, parent: str, line: int) -> Template:
        if self.loader is None:
            raise ParseError(f"{name} cannot be loaded without a loader", parent, line)
        return self.loader.load(name, parent)

    def _remember_source(self) -> None:
        """Give the generated source to tracebacks: another template may have the same name."""
        # Not splitlines(): Python ends a line of code at "\n" only.
        lines = [line + "\n" for line in self.code.split("\n")]
        linecache.cache[self._filename] = (len(self.code), None, lines, self._filename)


class _SourceLoader:
    """What `linecache` asks for source that is in no file."""

    def __init__(self, code: str) -> None:
        self._code = code

    def get_source(self, name: str) -> str:
        return self._code
