"""Values that a method needs and the request does not bring: opened before it, closed after it.

    @asynccontextmanager
    async def transaction(pool: Annotated[Pool, Depends(pool)]) -> AsyncIterator[Connection]:
        async with pool.acquire() as connection, connection.transaction():
            yield connection

    async def post(self, order: NewOrder, db: Annotated[Connection, Depends(transaction)]): ...

A dependency is a function: an async context manager (or an async generator that could be one), a
coroutine function, or a plain one; a class or an instance that can be called is as good. Its
own parameters are resolved as a method's are. Each is made once per request, and closed in the
reverse order before the answer is sent, with the method's exception if it raised one: what fails
then is the request's error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Depends"]


@dataclass(frozen=True, slots=True)
class Depends:
    """The parameter is what `function` gives."""

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"Depends takes a function, which it calls itself: {self.function!r}")
