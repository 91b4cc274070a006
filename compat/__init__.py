"""The overlay: makes `import tornado` mean the package in this folder.

Importing this package activates it. Knows where `tornado/` is and nothing about its content; must
not import tornado_trio or trio, so that a program which only needs the path does not load them.

```python
import compat  # or: compat.activate()
import tornado.web  # ours, whether or not upstream's Tornado is installed

from compat import IOLoop, Future, PeriodicCallback, Queue, gen, coroutine, spawn_callback
```
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any

__all__ = [
    "Future",
    "IOLoop",
    "OldIdiomWarning",
    "PeriodicCallback",
    "Queue",
    "activate",
    "coroutine",
    "gen",
    "open_loop",
    "path",
    "spawn_callback",
]

# Where the names offered for convenience live; imported when first asked for.
_EXPORTS = {
    "Future": ("tornado.concurrent", "Future"),
    "IOLoop": ("tornado.ioloop", "IOLoop"),
    "OldIdiomWarning": ("tornado._impl.generation", "OldIdiomWarning"),
    "PeriodicCallback": ("tornado.ioloop", "PeriodicCallback"),
    "Queue": ("tornado.queues", "Queue"),
    "coroutine": ("tornado.gen", "coroutine"),
    "gen": ("tornado.gen", None),
    "open_loop": ("tornado.platform.trio", "open_loop"),
}


def path() -> str:
    """The folder to put on `sys.path` (or PYTHONPATH): it holds `tornado/` and its record."""
    return os.path.dirname(os.path.abspath(__file__))


def activate(*, generation: str | None = None) -> str:
    """Put our `tornado` in front of any other, and return the folder it is found in.

    May be called any number of times.

    Args:
        generation: the release to stand in for where releases contradict each other: "4.5",
            "5.1". Child processes inherit it, as TORNADO_TRIO_GENERATION.

    Raises:
        ImportError: another `tornado` has already been imported. Its classes are in use by then, so
            replacing it would leave two of each in the program. Or ours has been, for another
            generation; or there is no such generation.
    """
    folder = path()
    _refuse_other_tornado(folder)
    # First, not merely present: a site-packages folder may stand before us in PYTHONPATH.
    if sys.path[:1] != [folder]:
        while folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)
    if importlib.util.find_spec("tornado_trio") is None:
        # Run from a checkout that is not installed. Last, so that it hides nothing.
        sys.path.append(os.path.dirname(folder))
    if generation is not None:
        _choose_generation(generation)
    return folder


def _choose_generation(generation: str) -> None:
    name = "TORNADO_TRIO_GENERATION"
    before = os.environ.get(name)
    os.environ[name] = generation
    try:
        chosen = importlib.import_module("tornado._impl.generation")
        release = chosen.parse(generation)[0]
        if release != chosen.version:
            raise ImportError(
                f"tornado is imported already and answers for {chosen.version}, not {release}; "
                "choose a generation before anything imports it"
            )
    except ImportError as error:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
        # That variable may not be set.
        message = str(error).replace(f"{name}={generation!r}", f"generation={generation!r}")
        raise ImportError(message) from None


def _refuse_other_tornado(folder: str) -> None:
    loaded = sys.modules.get("tornado")
    if loaded is None:
        return
    origin = getattr(loaded, "__file__", None) or "<unknown>"
    if os.path.realpath(os.path.dirname(origin)) != os.path.realpath(
        os.path.join(folder, "tornado")
    ):
        version = getattr(loaded, "version", "unknown version")
        raise ImportError(
            f"another tornado ({version}) is already imported from {origin}; import compat "
            "before anything that imports tornado, or start the program with "
            "`python -m compat` or `tornado-trio run` (tornado-trio explain another-tornado)"
        )


def spawn_callback(callback: Any, *args: Any, **kwargs: Any) -> None:
    """Run `callback(*args, **kwargs)` on the current IOLoop's next turn; errors are logged."""
    ioloop = importlib.import_module("tornado.ioloop")
    ioloop.IOLoop.current().spawn_callback(callback, *args, **kwargs)


def __getattr__(name: str) -> Any:
    try:
        module_name, attribute = _EXPORTS[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    module = importlib.import_module(module_name)
    return module if attribute is None else getattr(module, attribute)


def __dir__() -> list[str]:
    return sorted(__all__)


activate()
