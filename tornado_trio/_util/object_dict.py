"""A dict whose items are attributes too. Knows nothing else."""

from __future__ import annotations

from typing import Any


class ObjectDict(dict[str, Any]):
    """A dict whose items are attributes too: `d.x` is `d["x"]`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value
