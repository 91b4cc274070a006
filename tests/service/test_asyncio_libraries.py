"""The table of docs/how-to/asyncio-libraries.md: each library, by each door it is said to work by.

They talk to the servers of this machine, where they run; in CI they must.
"""

from __future__ import annotations

import importlib.util
import os
import re
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.python import python
from tornado_trio import open_client, serve, web

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "asyncio-libraries.md"
TEXT = PAGE.read_text()
EXAMPLES: dict[str, str] = dict(
    re.findall(r"^## ([^\n]+)\n\n```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
)
TABLE = dict(re.findall(r"^\| \[(.*?)\]\(.*?\) \| .*? \| (yes|no)\b", TEXT, re.MULTILINE))
SERVERS = {"postgres": 5432, "aiomysql": 3306, "edis": 6379, "nats": 4222}


def is_there(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def require(code: str) -> None:
    """Skip what needs a library or a server that is not here."""
    for name in re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not made for this Python yet")
    for word, port in SERVERS.items():
        if word in code and not is_there(port) and not os.environ.get("CI"):
            pytest.skip(f"no server on port {port}")


def test_the_table_is_of_the_examples() -> None:
    assert list(TABLE) == [name.replace("SQLite", "sqlite3") for name in EXAMPLES]


@pytest.mark.parametrize("host", ["trio", "asyncio", "uvloop"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_as_the_table_says(name: str, host: str, tmp_path: Path) -> None:
    code = EXAMPLES[name]
    require(code)
    program = tmp_path / "program.py"
    program.write_text(f"{code}\nfrom tornado_trio import run\nrun(main)\n")
    environ = {"trio": "0", "asyncio": "1", "uvloop": "uvloop"}
    ended = python(program, cwd=tmp_path, TORNADO_TRIO_ASYNCIO=environ[host])
    needs = TABLE[name.replace("SQLite", "sqlite3")] == "yes"
    if needs and host == "trio":
        assert ended.returncode == 1
        assert "tornado_trio.run(main, asyncio=True)" in ended.stderr
    else:
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == "42\n"


class Query(web.RequestHandler):
    @web.timeout(0.5)
    async def get(self) -> None:
        pool: Any = self.settings["pool"]
        found: dict[str, int] = {}

        async def ask(number: int) -> None:
            found[str(number)] = await pool.fetchval("select $1::int * 2", number)

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(ask, number)
        await pool.fetchval("select pg_sleep($1)", float(self.get_argument("s", "0")))
        self.write(found)


async def test_scopes_cut_queries_and_the_pool_stays_whole(asyncio_host: None) -> None:
    """Requests with a deadline, clients that leave: the queries end, no connection is lost."""
    require("import asyncpg  # postgres")
    import asyncpg

    url = "postgresql://postgres@127.0.0.1/postgres"
    async with asyncpg.create_pool(url, min_size=1, max_size=5) as pool:
        app = web.Application([("/", Query)], pool=pool, log_function=lambda handler: None)
        codes: list[int] = []
        async with open_client() as client, trio.open_nursery() as nursery:
            start = partial(serve, app, 0, host="127.0.0.1", grace=5)
            [listener] = await nursery.start(start)
            site = f"http://127.0.0.1:{listener.address[1]}/"

            async def ask(index: int) -> None:
                seconds = ("0", "0", "5", "9")[index % 4]
                with trio.move_on_after(0.1 if seconds == "9" else 30):
                    codes.append((await client.get(site, params={"s": seconds})).status)

            async with trio.open_nursery() as asking:
                for index in range(40):
                    asking.start_soon(ask, index)
            assert set(codes) <= {200, 503}
            assert codes.count(503) >= 10  # the deadline; some had to wait for a connection, too
            with trio.fail_after(30):
                while pool.get_idle_size() < pool.get_size():  # noqa: ASYNC110
                    await trio.sleep(0.05)
            assert await pool.fetchval("select 42") == 42
            asleep = (
                "select count(*) from pg_stat_activity where query like 'select pg_sleep($1)%'"
                " and state = 'active'"
            )
            assert await pool.fetchval(asleep) == 0
            nursery.cancel_scope.cancel()
