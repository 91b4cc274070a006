"""Tornado's web framework and networking library, rebuilt on structured concurrency.

```python
from tornado_trio import run, serve, web
```

Knows where its parts are, and imports each on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import client as client
    from . import testing as testing
    from . import web as web
    from . import websocket as websocket
    from .client import open_client as open_client
    from .server import serve as serve
    from .service import run as run

__version__ = "0.1.0"

__all__ = ["__version__", "client", "open_client", "run", "serve", "testing", "web", "websocket"]

# Name -> (module, attribute in it; None: the module itself).
_EXPORTS = {
    "client": (".client", None),
    "open_client": (".client", "open_client"),
    "run": (".service", "run"),
    "serve": (".server", "serve"),
    "testing": (".testing", None),
    "web": (".web", None),
    "websocket": (".websocket", None),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    try:
        module_name, attribute = _EXPORTS[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    module = import_module(module_name, __name__)
    value = module if attribute is None else getattr(module, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
