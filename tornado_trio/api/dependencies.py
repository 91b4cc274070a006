"""Values that a method needs and the request does not contain: opened before the call, closed after
it.

```python
@asynccontextmanager
async def transaction(pool: Annotated[Pool, Depends(pool)]) -> AsyncIterator[Connection]:
    async with pool.acquire() as connection, connection.transaction():
        yield connection

async def post(
    self, order: NewOrder, db: Annotated[Connection, Depends(transaction)]
) -> None: ...
```

A dependency is a function: an async context manager (or an async generator that could be one), a
coroutine function, or a plain one; a class or a callable instance works too. Its own parameters are
resolved like a method's. Each is called once per request, and closed in reverse order before the
answer is sent, with the method's exception if it raised one: an error at that point is the
request's error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Depends"]


@dataclass(frozen=True, slots=True)
class Depends:
    """The value of the parameter is what `function` provides."""

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"Depends takes a function, which it calls itself: {self.function!r}")
