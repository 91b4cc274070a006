"""`later`: a module that is imported when it is first used, for those that load long before.

```python
if TYPE_CHECKING:
    import trio
else:
    trio = later("trio", globals())
```

trio costs twice what asyncio does to import, and a program that defines handlers, reads its
options or prints its help runs no loop. The variable holds a stand-in; its first attribute that
somebody asks for imports the module and puts it into the variable: from then on that holds the
module itself, at no cost. `sys.modules` is not touched, and other packages see nothing of it.

Where a module's body needs trio (base classes, defaults of arguments), it is the module that is
imported late: `names_later`, for packages that show names of such modules.

`pattern_later` does with an expression what `later` does with a module: to compile one takes
0.3 to 4 million instructions, and a first answer needs few of them.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, AnyStr, cast

__all__ = ["class_later", "in_trio_run", "in_trio_task", "later", "names_later", "pattern_later"]


def _put(value: Any, stand_in: object, variables: dict[str, Any]) -> None:
    """Into each variable that holds the stand-in."""
    # A copy: another thread may be at the module's body, which makes variables.
    for name, held in variables.copy().items():
        if held is stand_in:
            variables[name] = value


class _StandIn(ModuleType):
    def __init__(self, name: str, variables: dict[str, Any]) -> None:
        super().__init__(name)
        super().__setattr__("_variables", variables)

    def _module(self) -> ModuleType:
        """The module, which is in the variable from now on. In any thread: imports have a lock."""
        module = importlib.import_module(self.__name__)
        _put(module, self, self._variables)
        return module

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by tools that look at everything: no use of it
            raise AttributeError(f"module {self.__name__!r} is imported later: no {name!r} yet")
        return getattr(self._module(), name)

    # For who replaces something in the module by way of a variable, as tests do.
    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        return self._module().__dict__

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._module(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._module(), name)


def later(name: str, variables: dict[str, Any]) -> Any:
    """The module `name`: itself if it was imported, or what imports it on first use.

    Args:
        variables: `globals()` of the caller, which keeps the result in one of them.
    """
    module = sys.modules.get(name)
    # One that is being imported, in this thread or another, may not have its names yet.
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        return module
    return _StandIn(name, variables)


class _PatternStandIn:
    def __init__(self, expression: Any, flags: int, variables: dict[str, Any]) -> None:
        self._arguments = expression, flags
        self._variables = variables

    def __getattr__(self, name: str) -> Any:
        pattern: re.Pattern[Any] = re.compile(*self._arguments)  # which keeps it
        _put(pattern, self, self._variables)
        return getattr(pattern, name)


def pattern_later(
    expression: AnyStr, variables: dict[str, Any], flags: int = 0
) -> re.Pattern[AnyStr]:
    """`re.compile(expression, flags)`, when one of its methods is first asked for.

    For a variable of the module alone: who imports that gets the stand-in, for ever.

    Args:
        variables: `globals()` of the caller, which keeps the result in one of them.
    """
    return cast("re.Pattern[AnyStr]", _PatternStandIn(expression, flags, variables))


class _ClassStandIn:
    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __get__(self, instance: object, owner: type) -> Any:
        return getattr(importlib.import_module(self._module), self._name)


def class_later(module: str, name: str) -> Any:
    """For an attribute of a class: `name` of `module`, which is imported when it is asked for."""
    return _ClassStandIn(module, name)


def names_later(
    variables: dict[str, Any], homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package (PEP 562) that imports names on first use.

    Args:
        variables: `globals()` of the package; a name is there once it was asked for.
        homes: name -> the module of the package that has it.
    """
    package: str = variables["__name__"]

    def getattribute(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = variables[name] = getattr(importlib.import_module(f".{home}", package), name)
        return value

    def listing() -> list[str]:
        return sorted({*variables, *homes})

    return getattribute, listing


def in_trio_run() -> bool:
    """`trio.lowlevel.in_trio_run`, without importing it: while trio is not there, nothing runs."""
    trio: Any = sys.modules.get("trio.lowlevel")
    return trio is not None and trio.in_trio_run()


def in_trio_task() -> bool:
    """`trio.lowlevel.in_trio_task`, likewise."""
    trio: Any = sys.modules.get("trio.lowlevel")
    return trio is not None and trio.in_trio_task()
