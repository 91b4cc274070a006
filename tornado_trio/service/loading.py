"""Finding what MODULE:NAME names. Knows imports; must not know what is done with what it finds.

A module that cannot be found or compiled is reported in one line, with its place. A program that
fails while it is imported keeps its traceback, without our frames.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from .._util.troubles import Trouble
from .errors import CannotStart
from .traces import program_part, show

__all__ = ["LoadError", "load"]

# Asked for in this order when only a module is named.
USUAL_NAMES = ("app", "application", "main", "make_app", "create_app")


class LoadError(CannotStart):
    """The program's own error; `trace` is its traceback, as text."""

    def __init__(self, message: str, trace: str) -> None:
        super().__init__(message)
        self.trace = trace


def load(spec: str) -> tuple[str, Any]:
    """The object that `spec` names, and its full name.

    Args:
        spec: MODULE:NAME, where NAME may have dots; MODULE, for one of the usual names in it; or
            a file in place of the module: folder/app.py:NAME.

    The working directory (the file's folder) is put first on `sys.path`, as `python -m` does.

    Raises:
        CannotStart: there is no such module or name.
        LoadError: the module cannot be imported.
    """
    module_name, _, name = spec.partition(":")
    if not module_name:
        raise CannotStart(
            f"{spec!r} names no module: give MODULE:NAME, such as app:app "
            f"{Trouble.CANNOT_LOAD}",
            2,
        )
    module = _import(module_name)
    if not name:
        name = next((usual for usual in USUAL_NAMES if hasattr(module, usual)), "")
        if not name:
            looked = ", ".join(USUAL_NAMES)
            raise CannotStart(
                f"{module.__name__} has none of {looked}: give MODULE:NAME{_similar('', module)}", 2
            )
    target: Any = module
    for part in name.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            raise CannotStart(
                f"there is no {name!r} in {module.__name__} ({module.__file__})"
                f"{_similar(part, target)}",
                2,
            ) from None
    return f"{module.__name__}:{name}", target


def _import(name: str) -> ModuleType:
    folder = os.getcwd()
    if name.endswith(".py") or os.sep in name:
        path = Path(name)
        if not path.is_file():
            raise CannotStart(f"there is no file {name}", 2)
        folder, name = str(path.parent.resolve()), path.stem
    if not sys.flags.safe_path and folder not in sys.path[:1]:
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if f"{name}.".startswith(f"{missing}."):
            raise CannotStart(
                f"there is no module {missing!r} in {folder} or on sys.path "
                f"{Trouble.CANNOT_LOAD}",
                2,
            ) from None
        raise _load_error(name, error) from None
    except Exception as error:
        raise _load_error(name, error) from None


def _load_error(name: str, error: Exception) -> CannotStart:
    """One line where the place says it all; with the traceback where the program broke."""
    reason = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    place = ""
    if isinstance(error, SyntaxError):
        place = _place(error.filename, error.lineno)
    elif isinstance(error, ImportError):
        frames = traceback.extract_tb(program_part(error))
        own = [frame for frame in frames if not frame.filename.startswith("<frozen")]
        place = _place(own[-1].filename, own[-1].lineno) if own else ""
    else:
        return LoadError(f"{name} cannot be imported: {reason}", show(error))
    return CannotStart(f"{name} cannot be imported: {place}{reason}")


def _place(file: str | None, line: int | None) -> str:
    return f"{os.path.relpath(file)}:{line}: " if file else ""


def _similar(name: str, owner: Any) -> str:
    names = [each for each in vars(owner) if not each.startswith("_")] if _has_dict(owner) else []
    close = difflib.get_close_matches(name, names, n=1) if name else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _has_dict(owner: Any) -> bool:
    return hasattr(owner, "__dict__")
