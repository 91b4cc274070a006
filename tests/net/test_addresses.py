"""Ports and addresses in what programs pass and what errors say."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.platforms import needs_unix_sockets
from tornado_trio import serve, web
from tornado_trio.client import ConnectError, open_client
from tornado_trio.net import open_tcp_listeners, open_tcp_stream, open_unix_listener
from tornado_trio.net.addresses import check_port, show_address
from tornado_trio.net.memory import MemoryNetwork


@pytest.mark.parametrize("port", [65536, 80000, -1, "80000", " -1", 2**40])
async def test_a_port_that_does_not_exist_is_refused(port: Any) -> None:
    number = str(port).strip()
    for refused in (
        lambda: open_tcp_listeners(port, "127.0.0.1"),
        lambda: MemoryNetwork().listen(port),
        lambda: check_port(port),
    ):
        with pytest.raises(ValueError, match=f"port {number} is not between 0 and 65535"):
            refused()
    with pytest.raises(ValueError, match=number):
        await open_tcp_stream("127.0.0.1", port)
    with pytest.raises(ValueError, match=number):
        await serve(web.Application(), port, host="127.0.0.1")


@pytest.mark.parametrize("port", [8.0, None, b"80", [80]])
def test_what_is_no_port_is_refused(port: Any) -> None:
    with pytest.raises(TypeError, match="a port is a number"):
        check_port(port)


def test_ports_as_the_environment_spells_them() -> None:
    assert (check_port("8888"), check_port(0), check_port(65535)) == (8888, 0, 65535)
    assert check_port("http") == "http"


async def test_a_port_in_use_is_named_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError) as caught:
            await serve(web.Application(), port, host="127.0.0.1")
    assert caught.value.errno == errno.EADDRINUSE
    assert str(caught.value).endswith(f"Address already in use: 127.0.0.1:{port}")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    network = MemoryNetwork()
    network.listen(80, "a.test")
    with pytest.raises(OSError, match="in use: a.test:80"):
        network.listen(80, "a.test")


def test_where_it_cannot_listen_is_named() -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1:8888"):
        open_tcp_listeners(8888, "192.0.2.1")  # TEST-NET-1: nobody's
    with pytest.raises(socket.gaierror, match=r"nowhere\.invalid:8888"):
        open_tcp_listeners(8888, "nowhere.invalid")


@needs_unix_sockets
def test_what_stands_in_the_way_of_a_unix_socket_is_named(tmp_path: Path) -> None:
    missing = os.fspath(tmp_path / "missing" / "a.sock")
    with pytest.raises(FileNotFoundError, match="missing/a.sock"):
        open_unix_listener(missing)
    with pytest.raises(OSError, match="too long: .*xxx"):
        open_unix_listener(os.fspath(tmp_path / ("x" * 200)))


async def test_a_refused_connection_is_one_short_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    async with open_client() as client:
        with pytest.raises(ConnectError) as caught:
            await client.get(f"http://127.0.0.1:{port}/")
    error = caught.value
    assert str(error).count("127.0.0.1") == 1 and str(error).count(str(port)) == 1
    assert error.__cause__ is None and error.__suppress_context__
    assert isinstance(error.os_error, ConnectionRefusedError)
    assert error.errno == errno.ECONNREFUSED


async def test_a_name_that_is_not_known_is_named_once() -> None:
    async with open_client() as client:
        with pytest.raises(ConnectError) as caught:
            await client.get("http://nowhere.invalid/")
    assert str(caught.value).count("nowhere.invalid") == 1
    assert isinstance(caught.value.os_error, socket.gaierror)
    assert caught.value.phase == "resolve"


def test_addresses_as_people_write_them() -> None:
    assert show_address(("::1", 80, 0, 0)) == "[::1]:80"
    assert show_address(("", 80)) == "*:80"
    assert show_address("/run/a.sock") == show_address(b"/run/a.sock") == "/run/a.sock"
