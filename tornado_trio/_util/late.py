"""`later`: a module that is imported when it is first used, for those that load long before.

```python
if TYPE_CHECKING:
    import trio
else:
    trio = later("trio", globals())
```

trio costs twice what asyncio does to import, and a program that defines handlers, reads its
options or prints its help runs no loop. The variable holds a stand-in; its first attribute that
somebody asks for imports the module and puts it into every variable that waits for it: from then on
they hold the module itself, at no cost. `sys.modules` is not touched, and other packages see
nothing of it.

Where a module's body needs trio (base classes, defaults of arguments), it is the module that is
imported late.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__all__ = ["in_trio_run", "in_trio_task", "later"]

#: Module -> the global variables of those that wait for it.
_waiting: dict[str, list[dict[str, Any]]] = {}


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by tools that look at everything: no use of it
            raise AttributeError(f"module {self.__name__!r} is imported later: no {name!r} yet")
        module = importlib.import_module(self.__name__)
        for variables in _waiting.pop(self.__name__, ()):
            for each in [key for key, value in variables.items() if type(value) is _StandIn]:
                if variables[each].__name__ == self.__name__:
                    variables[each] = module
        return getattr(module, name)


def later(name: str, variables: dict[str, Any]) -> Any:
    """The module `name`: itself if it was imported, or what imports it on first use.

    Args:
        variables: `globals()` of the caller, which keeps the result in one of them.
    """
    module = sys.modules.get(name)
    # One that is being imported, in this thread or another, may not have its names yet.
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        return module
    _waiting.setdefault(name, []).append(variables)
    return _StandIn(name)


def in_trio_run() -> bool:
    """`trio.lowlevel.in_trio_run`, without importing it: while trio is not there, nothing runs."""
    trio: Any = sys.modules.get("trio.lowlevel")
    return trio is not None and trio.in_trio_run()


def in_trio_task() -> bool:
    """`trio.lowlevel.in_trio_task`, likewise."""
    trio: Any = sys.modules.get("trio.lowlevel")
    return trio is not None and trio.in_trio_task()
