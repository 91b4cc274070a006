"""Orders and events, in SQLite or in PostgreSQL by asyncpg: part of examples/orders."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import trio

SCHEMA = """
create table if not exists orders (
  id {number}, item text not null, quantity integer not null, status text not null default 'new');
create index if not exists orders_by_status on orders (status, id);
create table if not exists order_events (
  number {number}, "order" integer not null, status text not null);
"""
LOCK = "select pg_advisory_xact_lock(20261129)"
ORDER = "id, item, quantity, status"
OLDEST = "select id from orders where status = 'new' order by id limit 1"


@dataclass(frozen=True, slots=True)
class Order:
    id: int
    item: str
    quantity: int
    status: str


@dataclass(frozen=True, slots=True)
class Event:
    """That an order came into a status. Numbers grow, and are never used twice."""

    number: int
    order: int
    status: str


Rows = Callable[..., Awaitable[list[Any]]]


class Engine(Protocol):
    def transaction(self, write: bool) -> AbstractAsyncContextManager[Rows]:
        """A block that is done whole or not at all; `rows(query, *values)` asks in it."""


class Database:
    """What the service asks of either engine. A change of an order and its event are one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def insert(self, item: str, quantity: int) -> Order:
        query = f"insert into orders (item, quantity) values ($1, $2) returning {ORDER}"
        [order] = await self._change(query, item, quantity)
        return order

    async def set_status(self, order: int, status: str) -> bool:
        query = f"update orders set status = $1 where id = $2 returning {ORDER}"
        return bool(await self._change(query, status, order))

    async def claim(self) -> Order | None:
        """The oldest new order, which is "paid" from now on; no other worker gets it."""
        query = f"update orders set status = 'paid' where id = ({OLDEST}) returning {ORDER}"
        return next(iter(await self._change(query)), None)

    async def _change(self, query: str, *values: object) -> list[Order]:
        async with self._engine.transaction(write=True) as rows:
            orders = [Order(*row) for row in await rows(query, *values)]
            for order in orders:
                note = 'insert into order_events ("order", status) values ($1, $2)'
                await rows(note, order.id, order.status)
        return orders

    async def _read(self, query: str, *values: object) -> list[Any]:
        async with self._engine.transaction(write=False) as rows:
            return await rows(query, *values)

    async def get(self, order: int) -> Order | None:
        found = await self._read(f"select {ORDER} from orders where id = $1", order)
        return Order(*found[0]) if found else None

    async def orders(self, after: int, limit: int) -> list[Order]:
        query = f"select {ORDER} from orders where id > $1 order by id limit $2"
        return [Order(*row) for row in await self._read(query, after, limit)]

    async def events(self, after: int, limit: int = 100) -> list[Event]:
        query = "select * from order_events where number > $1 order by number limit $2"
        return [Event(*row) for row in await self._read(query, after, limit)]

    async def last_event(self) -> int:
        [row] = await self._read("select coalesce(max(number), 0) from order_events")
        return int(row[0])

    async def forget_events(self, keep: int) -> None:
        last = await self.last_event()
        async with self._engine.transaction(write=True) as rows:
            await rows("delete from order_events where number <= $1", last - keep)

    async def ping(self) -> None:
        await self._read("select 1")


class Sqlite:
    """One connection, used in threads, by one task at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = trio.Lock()

    async def _rows(self, query: str, *values: object) -> list[Any]:
        names = {str(number): value for number, value in enumerate(values, 1)}  # $1, $2, …

        def ask() -> list[Any]:
            return self._connection.execute(query, names).fetchall()

        return await trio.to_thread.run_sync(ask)  # cannot be interrupted: it is waited for

    @asynccontextmanager
    async def transaction(self, write: bool) -> AsyncIterator[Rows]:
        async with self._lock:
            await self._rows("begin immediate" if write else "begin")
            try:
                yield self._rows
                await self._rows("commit")
            except BaseException:
                self._connection.rollback()
                raise


class Postgres:
    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self, write: bool) -> AsyncIterator[Rows]:
        async with self._pool.acquire() as connection, connection.transaction():
            if write:
                # One after the other, so that events are seen in the order of their numbers: a
                # follower that has had one would never ask for an earlier one.
                await connection.execute(LOCK)
            yield connection.fetch


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """The database at `url` (postgresql://…, or a path for SQLite), with its tables."""
    if url.startswith("postgresql:"):
        import asyncpg

        async with asyncpg.create_pool(url, min_size=1, max_size=5) as pool:
            number = "bigint generated always as identity primary key"
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(LOCK)  # workers start at the same time
                await connection.execute(SCHEMA.format(number=number))
            yield Database(Postgres(pool))
        return
    # isolation_level None: transactions are ours. timeout: another worker may be writing.
    connection = sqlite3.connect(url, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.executescript(SCHEMA.format(number="integer primary key autoincrement"))
        yield Database(Sqlite(connection))
    finally:
        connection.close()
