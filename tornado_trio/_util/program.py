"""Running another program inside this interpreter, as the interpreter itself would.

Knows what `python SCRIPT`, `python -m MODULE` and `python -c CODE` do; stdlib only, and it
must not know what is done to the process before (see `cli`) or after (see `autoreload`).

`runpy` is close but not the same: it restores `sys.argv` and `__main__` when the program's
last line has run, while its threads, exit handlers and pickles still refer to them.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import pkgutil
import sys
import types
from typing import Any, Literal

from .._util.records import dataclass

__all__ = ["CannotRun", "Program"]

# Modules have a `__cached__` up to 3.14.
_HAS_CACHED = sys.version_info < (3, 15)


class CannotRun(Exception):
    """There is no such program; `status` is what the interpreter would exit with."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What to run, and its arguments."""

    kind: Literal["script", "module", "code"]
    target: str
    """Path (a file, a folder or zip file with `__main__`, or "-"), module name, or code."""
    args: tuple[str, ...] = ()

    @classmethod
    def parse(cls, argv: list[str]) -> Program:
        """The program that `python *argv` would run.

        Raises:
            ValueError: nothing to run, or an option other than -m and -c.
        """
        if not argv:
            raise ValueError("a script, -m MODULE or -c CODE is required")
        first, *rest = argv
        kind: Literal["module", "code"]
        for option, kind in (("-m", "module"), ("-c", "code")):
            if first.startswith(option):
                # Both `-m module` and `-mmodule` are usual.
                attached = first[len(option) :]
                if attached:
                    return cls(kind=kind, target=attached, args=tuple(rest))
                if not rest:
                    raise ValueError(f"{option} requires an argument")
                return cls(kind=kind, target=rest[0], args=tuple(rest[1:]))
        if first.startswith("-") and first != "-":
            raise ValueError(f"unknown option {first}")
        return cls(kind="script", target=first, args=tuple(rest))

    def path_entry(self) -> str:
        """What the interpreter puts first on `sys.path` for it."""
        if self.kind == "module":
            return os.getcwd()
        if self.kind == "code" or self.target == "-":
            return ""
        if _is_container(self.target):
            return os.path.abspath(self.target)
        return os.path.dirname(os.path.realpath(self.target))

    def run(self) -> None:
        """Execute it as `__main__`. Setting `sys.path` is up to the caller (see `path_entry`).

        What the program raises propagates, SystemExit included.

        Raises:
            CannotRun: it cannot be found or read.
        """
        if self.kind == "module":
            main, code = self._load_module()
        elif self.kind == "code" or self.target == "-":
            main, code = self._load_text()
        else:
            main, code = self._load_script()
        sys.modules["__main__"] = main
        exec(code, main.__dict__)

    def _load_text(self) -> tuple[types.ModuleType, types.CodeType]:
        main = _new_main(importlib.machinery.BuiltinImporter)
        if self.kind == "code":
            sys.argv[:] = ["-c", *self.args]
            return main, compile(self.target, "<string>", "exec", dont_inherit=True)
        sys.argv[:] = ["-", *self.args]
        return main, compile(sys.stdin.read(), "<stdin>", "exec", dont_inherit=True)

    def _load_script(self) -> tuple[types.ModuleType, types.CodeType]:
        sys.argv[:] = [self.target, *self.args]
        if _is_container(self.target):
            spec = importlib.machinery.PathFinder.find_spec(
                "__main__", [os.path.abspath(self.target)]
            )
            if spec is None:
                raise CannotRun(f"can't find '__main__' module in {self.target!r}", 1)
            return _from_spec(spec)
        path = os.path.abspath(self.target)
        loader: Any
        if path.endswith(".pyc"):
            loader = importlib.machinery.SourcelessFileLoader("__main__", path)
            code = loader.get_code("__main__")
            assert code is not None
        else:
            loader = importlib.machinery.SourceFileLoader("__main__", path)
            try:
                with open(path, "rb") as file:
                    source = file.read()
            except OSError as error:
                reason = f"[Errno {error.errno}] {error.strerror}"
                raise CannotRun(f"can't open file {path!r}: {reason}", 2) from None
            code = compile(source, path, "exec", dont_inherit=True)
        main = _new_main(loader)
        main.__dict__["__file__"] = path
        if _HAS_CACHED:
            main.__dict__["__cached__"] = None
        return main, code

    def _load_module(self) -> tuple[types.ModuleType, types.CodeType]:
        sys.argv[:] = ["-m", *self.args]
        spec = _find_module(self.target)
        if spec.submodule_search_locations is not None:
            try:
                spec = _find_module(f"{self.target}.__main__")
            except CannotRun as error:
                raise CannotRun(
                    f"{error}; {self.target!r} is a package and cannot be directly executed", 1
                ) from None
        loaded = _from_spec(spec)
        sys.argv[0] = spec.origin or self.target
        return loaded


def _is_container(path: str) -> bool:
    """Whether a `__main__` is to be sought inside `path`: a folder or a zip file."""
    if os.path.isdir(path):
        return True
    return os.path.isfile(path) and pkgutil.get_importer(path) is not None


def _find_module(name: str) -> importlib.machinery.ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        # Only the absence of what was asked for, or of a package on the way to it: an import
        # that fails inside such a package is the program's own error.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise CannotRun(f"No module named {name}", 1) from None
    except ValueError:
        spec = None
    if spec is None or spec.loader is None and spec.submodule_search_locations is None:
        raise CannotRun(f"No module named {name}", 1)
    return spec


def _from_spec(
    spec: importlib.machinery.ModuleSpec,
) -> tuple[types.ModuleType, types.CodeType]:
    # Not isinstance(..., InspectLoader): zipimporter is none in name.
    get_code = getattr(spec.loader, "get_code", None)
    code = None if get_code is None else get_code(spec.name)
    if code is None:
        raise CannotRun(f"No code object available for {spec.name}", 1)
    main = _new_main(spec.loader)
    main.__dict__.update(__file__=spec.origin, __package__=spec.parent, __spec__=spec)
    if _HAS_CACHED:
        main.__dict__["__cached__"] = spec.cached
    return main, code


def _new_main(loader: object) -> types.ModuleType:
    main = types.ModuleType("__main__")
    main.__dict__.update(__loader__=loader, __builtins__=sys.modules["builtins"])
    if sys.version_info < (3, 14):
        # The interpreter's own __main__ has it from the start; elsewhere it comes on demand.
        main.__dict__["__annotations__"] = {}
    return main
