"""Where the messages are kept. Two stores with the same methods: SQLite's and MySQL's."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

from tornado.ioloop import IOLoop

COLUMNS = ("name", "email", "address", "message")
ALL = f"SELECT id, {', '.join(COLUMNS)} FROM tb_message ORDER BY id DESC LIMIT 100"
ONE = f"SELECT id, {', '.join(COLUMNS)} FROM tb_message WHERE id = %s"
ADD = f"INSERT INTO tb_message ({', '.join(COLUMNS)}) VALUES (%s, %s, %s, %s)"
CHANGE = f"UPDATE tb_message SET {', '.join(f'{name} = %s' for name in COLUMNS)} WHERE id = %s"
DELETE = "DELETE FROM tb_message WHERE id = %s"
TABLE = """CREATE TABLE IF NOT EXISTS tb_message (id INTEGER PRIMARY KEY {numbered},
    name VARCHAR(50), email VARCHAR(100), address VARCHAR(200), message TEXT)"""


class Store:
    """What handlers use; a database's store says how a statement is run."""

    async def run(self, statement, values=()):
        """Run and commit a statement; its rows, if it has any."""
        raise NotImplementedError

    async def all(self):
        """The last hundred messages, the newest first."""
        return [self._message(row) for row in await self.run(ALL)]

    async def one(self, number):
        rows = await self.run(ONE, (number,))
        return self._message(rows[0]) if rows else None

    async def add(self, fields):
        await self.run(ADD, tuple(fields[name] for name in COLUMNS))

    async def change(self, number, fields):
        await self.run(CHANGE, (*(fields[name] for name in COLUMNS), number))

    async def delete(self, number):
        await self.run(DELETE, (number,))

    def _message(self, row):
        return dict(zip(("id", *COLUMNS), row, strict=True))


class SqliteStore(Store):
    """One connection, used in one thread only: its statements run one after the other."""

    def __init__(self, path):
        self.path = path
        self.thread = ThreadPoolExecutor(1)

    async def __aenter__(self):
        await self._in_thread(self._open)
        return self

    async def __aexit__(self, *exc_info):
        await self._in_thread(self.connection.close)
        self.thread.shutdown()

    def _open(self):
        self.connection = sqlite3.connect(self.path)
        self._execute(TABLE.format(numbered="AUTOINCREMENT"), ())

    def _execute(self, statement, values):
        with self.connection:  # commits, or rolls back
            return self.connection.execute(statement.replace("%s", "?"), values).fetchall()

    def _in_thread(self, function, *args):
        return IOLoop.current().run_in_executor(self.thread, function, *args)

    async def run(self, statement, values=()):
        return await self._in_thread(self._execute, statement, values)


class MysqlStore(Store):
    """A pool of connections, opened when they are needed."""

    def __init__(self, **server):
        self.server = server

    async def __aenter__(self):
        import aiomysql

        self.pool = await aiomysql.create_pool(**self.server, charset="utf8mb4", autocommit=True)
        found = await self.run("SHOW TABLES LIKE 'tb_message'")
        if not found:
            await self.run(TABLE.format(numbered="AUTO_INCREMENT") + " CHARACTER SET utf8mb4")
        return self

    async def __aexit__(self, *exc_info):
        self.pool.close()
        await self.pool.wait_closed()

    async def run(self, statement, values=()):
        async with self.pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute(statement, values)
            return await cursor.fetchall()
