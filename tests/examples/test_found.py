"""Programs of others, unmodified (tests/examples/found): each is started, and answers."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import contextlib
import os
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from .programs import FOUND, environment, get, running

aiomysql: Any
try:
    import aiomysql
    import pymysql
except ImportError:
    aiomysql = None


@contextlib.contextmanager
def started(name: str, folder: Path, replaced: dict[str, str] | None = None) -> Iterator[str]:
    """The program in a copy of its folder, on a free port; yields its address."""
    port = free_port()
    shutil.copytree(FOUND, folder, dirs_exist_ok=True)
    program = folder / name
    text = program.read_text()
    for before, after in {"8888": str(port), **(replaced or {})}.items():
        text = text.replace(before, after)
    program.write_text(text)
    with running(program, cwd=folder):
        yield f"http://127.0.0.1:{port}"


def test_urls(tmp_path: Path) -> None:
    with started("urls.py", tmp_path) as site:
        assert get(site + "/") == "hello1"
        assert get(site + "/people/33") == "33"
        assert get(site + "/people/wang/") == "hello1:wang"
        assert get(site + "/people/wang/33") == "wang33"
        assert "404: Not Found" in get(site + "/nowhere")


def test_options(tmp_path: Path) -> None:
    with started("settings.py", tmp_path) as site:
        assert get(site + "/") == "hello1"


def test_story_and_cookie(tmp_path: Path) -> None:
    with started("story.py", tmp_path) as site:
        assert get(site + "/") == '<a href="/story/1">link to story 1</a>'
        assert get(site + "/story/1") == "this is story 1"
        assert get(site + "/cookie") == "Your cookie was not set yet!"
        request = urllib.request.Request(site + "/cookie", headers={"Cookie": "mycookie=a"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.read() == b"Your cookie was set!"


@pytest.mark.parametrize("up", [True, False])
def test_client(tmp_path: Path, up: bool) -> None:
    with started("story.py", tmp_path) as site:
        get(site)
        program = tmp_path / "client.py"
        address = site + "/story/7" if up else f"http://127.0.0.1:{free_port()}"
        program.write_text(program.read_text().replace("http://www.baidu.com", address))
        done = subprocess.run(
            [sys.executable, "-m", "compat", str(program)],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("this is story 7" if up else "Error: ")


# --- the message board, on a MySQL or MariaDB server --------------------------------------

SERVER = {"host": "127.0.0.1", "port": 3306, "user": "root", "password": ""}
# Its own: what others keep on the server is left alone, and two runs do not meet.
DATABASE = f"tornado_trio_test_{os.getpid()}"


@pytest.fixture
def table() -> Iterator[Any]:
    """A cursor on an empty tb_message, in a database made for it."""
    try:
        if aiomysql is None:
            raise RuntimeError("aiomysql is not installed")
        connection = pymysql.connect(**SERVER, autocommit=True)
    except (RuntimeError, pymysql.err.OperationalError) as error:
        reason = f"no MySQL server at 127.0.0.1:3306 for root without a password: {error}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        try:
            cursor.execute(f"USE {DATABASE}")
            cursor.execute(
                "CREATE TABLE tb_message (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50),"
                " email VARCHAR(100), address VARCHAR(200), message TEXT) CHARACTER SET utf8mb4"
            )
            yield cursor
        finally:
            cursor.execute(f"DROP DATABASE {DATABASE}")


def post(url: str, **fields: str) -> str:
    """Send a form, and follow the redirect."""
    data = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(url, data=data, timeout=10) as answer:
        page: str = answer.read().decode()
        return page


def test_message_board(tmp_path: Path, table: Any) -> None:
    with started("board.py", tmp_path, {'"name": "test"': f'"name": "{DATABASE}"'}) as site:
        page = get(site)
        assert '<input name="name" value="">' in page
        assert "/static/board.css?v=" in page
        page = post(site, name="王维", email="w@example.org", address="蓝田", message="坐看云起时")
        assert '<input name="name" value="王维">' in page
        assert '<textarea name="message">坐看云起时</textarea>' in page
        page = post(site, id="1", name="Wang", email="", address="", message="<again>")
        assert '<textarea name="message">&lt;again&gt;</textarea>' in page
        table.execute("SELECT id, name, message FROM tb_message")
        assert table.fetchall() == ((1, "Wang", "<again>"),)
