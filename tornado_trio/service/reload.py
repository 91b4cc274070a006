"""Noticing that source changed, for `--reload`. Knows files; must not know processes.

`watchfiles`, if installed, is notified by the system; otherwise files are polled twice a second.
Either covers the working directory and what is below it, except names that start with a dot,
virtual environments and caches.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

import trio

from ..autoreload import syntax_error

__all__ = ["changes", "watch_source"]

logger = logging.getLogger("tornado_trio.service")

LOOK_EVERY = 0.5  # seconds
_SOURCE = (".py", ".html", ".jinja2", ".toml", ".ini", ".cfg", ".env")
_NOT_SOURCE = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env", "build"})


async def watch_source(reload: Callable[[str], Awaitable[object]], folder: str = ".") -> None:
    """Await `reload(reason)` whenever source in `folder` has changed and compiles."""
    async with aclosing(changes(folder)) as found:
        await _reload_on(found, reload)


async def _reload_on(
    found: AsyncIterator[set[str]], reload: Callable[[str], Awaitable[object]]
) -> None:
    broken: set[str] = set()
    async for changed in found:
        for path in changed:
            broken.discard(path)
            error = syntax_error(path)
            if error is not None:
                broken.add(path)
                logger.error("%s changed, but cannot be loaded: %s", path, error)
        if not broken:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            await reload(f"{sorted(changed)[0]}{more} changed")


def changes(folder: str) -> AsyncGenerator[set[str], None]:
    """Sets of paths, relative to `folder`, that changed together."""
    try:
        import watchfiles  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return _looking(folder)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # we say what changed
    return _watching(os.path.abspath(folder), watchfiles)


async def _watching(root: str, watchfiles: Any) -> AsyncGenerator[set[str], None]:
    def relative(path: str) -> str:
        return os.path.relpath(path, root)

    def wanted(change: object, path: str) -> bool:
        return _is_source(relative(path))

    watching = watchfiles.awatch(root, watch_filter=wanted, step=50, debounce=400)
    async with aclosing(watching):
        async for found in watching:
            yield {relative(path) for _, path in found}


async def _looking(folder: str) -> AsyncGenerator[set[str], None]:
    before = dict(_modified(folder))
    while True:
        await trio.sleep(LOOK_EVERY)
        now = dict(_modified(folder))
        changed = {path for path, time in now.items() if before.get(path) != time}
        changed |= before.keys() - now.keys()
        before = now
        if changed:
            yield changed


def _is_source(path: str) -> bool:
    *folders, name = path.split(os.sep)
    if any(folder.startswith(".") or folder in _NOT_SOURCE for folder in folders):
        return False
    return name.endswith(_SOURCE) and not name.startswith(".#")


def _modified(folder: str, below: str = "") -> Iterator[tuple[str, int]]:
    try:
        entries = list(os.scandir(os.path.join(folder, below)))
    except OSError:
        return  # gone meanwhile, or not for us to read
    for entry in entries:
        path = os.path.join(below, entry.name)
        try:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in _NOT_SOURCE:
                    yield from _modified(folder, path)
            elif _is_source(path):
                yield path, entry.stat().st_mtime_ns
        except OSError:
            continue  # gone meanwhile
