"""Take from Python what only Linux (or only Unix) has, in the process of the tests.

`make test-portable` puts this folder on PYTHONPATH. Not a simulation of another system: what
other code asks for by other names is there.
"""

from __future__ import annotations

import _socket
import importlib.abc
import importlib.machinery
import os
import sys
import types

#: What is not there, by module.
WITHOUT = {
    os: ("fork", "forkpty", "pidfd_open"),
    _socket: ("AF_UNIX", "SO_REUSEPORT"),
}


class _Loader(importlib.abc.Loader):
    """Executes a module of ours, then lets it see a `select` without epoll.

    trio and selectors keep theirs.
    """

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        self._loader.exec_module(module)
        select = sys.modules.get("select")
        if select is not None and vars(module).get("select") is select:
            kept = {k: v for k, v in vars(select).items() if not k.lower().startswith("epoll")}
            vars(module)["select"] = types.SimpleNamespace(**kept)


class _Finder:
    """Of the modules that use epoll themselves."""

    @staticmethod
    def find_spec(name: str, path: object, target: object = None) -> object:
        if not name.startswith("tornado_trio.server."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)  # type: ignore[arg-type]
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


_pair = _socket.socketpair


def _socketpair(family: int, *args: int) -> object:
    """What `socket.socketpair` finds, which without Unix sockets asks for another family."""
    return _pair(1, *args)


_socket.socketpair = _socketpair  # type: ignore[assignment]
for _module, _names in WITHOUT.items():
    for _name in _names:
        if hasattr(_module, _name):
            delattr(_module, _name)
sys.meta_path.insert(0, _Finder)  # type: ignore[arg-type]
