"""`tornado.tcpserver`, `tcpclient`, `netutil`: servers and clients over real sockets."""

import compat  # noqa: I001 - activates the overlay

import asyncio
import datetime
import errno
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.platforms import needs_unix_sockets
import tornado.netutil
from tornado import gen
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import (
    DefaultExecutorResolver,
    DefaultLoopResolver,
    OverrideResolver,
    Resolver,
    ThreadedResolver,
    add_accept_handler,
    bind_sockets,
    bind_unix_socket,
    is_valid_ip,
    ssl_match_hostname,
    ssl_options_to_context,
)
from tornado.tcpclient import TCPClient
from tornado.tcpserver import TCPServer


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(main(), 10))  # type: ignore[arg-type]


class Echo(TCPServer):
    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        try:
            while True:
                await stream.write(await stream.read_bytes(1000, partial=True))
        except StreamClosedError:
            pass  # the client has had enough


def test_echo() -> None:
    async def main() -> None:
        server = Echo()
        sockets = bind_sockets(0, "localhost")
        server.add_sockets(sockets)
        port = sockets[0].getsockname()[1]
        client = TCPClient()
        stream = await client.connect("localhost", port, timeout=datetime.timedelta(seconds=5))
        await stream.write(b"hello")
        assert await stream.read_bytes(5) == b"hello"
        server.stop()
        server.stop()
        await stream.write(b"still")  # stop() leaves connections alone
        assert await stream.read_bytes(5) == b"still"
        with pytest.raises(OSError):
            await client.connect("localhost", port)
        stream.close()
        client.close()

    run(main)


@pytest.mark.parametrize("kind", [Echo, HTTPServer])
def test_it_names_the_loop_in_which_it_accepts(kind: Any) -> None:
    """As until Tornado 5; it may accept in another loop later on."""

    async def main() -> None:
        server = kind() if kind is Echo else kind(lambda request: None)
        assert server.io_loop is None
        server.listen(0, "localhost")
        assert server.io_loop is IOLoop.current()
        assert server.io_loop.handlers
        server.stop()

    run(main)


def test_streams_of_a_kind_that_was_put_into_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(IOStream):
        pass

    kinds: list[type] = []

    class Noted(TCPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> None:
            kinds.append(type(stream))
            stream.close()

    async def main() -> None:
        server = Noted()
        (sock,) = bind_sockets(0, "127.0.0.1", family=socket.AF_INET)
        server.add_socket(sock)
        client = await TCPClient().connect("127.0.0.1", sock.getsockname()[1])
        with pytest.raises(StreamClosedError):
            await client.read_bytes(1)
        server.stop()

    run(main)
    monkeypatch.setattr("tornado.tcpserver.IOStream", Mine)
    run(main)
    assert kinds == [IOStream, Mine]


def test_listening_before_the_loop_runs() -> None:
    loop = IOLoop()
    loop.make_current()
    server = Echo()
    (sock,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(sock)

    async def talk() -> bytes:
        stream = await TCPClient().connect("127.0.0.1", sock.getsockname()[1])
        await stream.write(b"x")
        data: bytes = await stream.read_bytes(1)
        stream.close()
        return data

    assert loop.run_sync(talk) == b"x"
    server.stop()
    loop.close(all_fds=True)


def test_handlers_may_be_plain_coroutine_or_native(caplog: pytest.LogCaptureFixture) -> None:
    class Plain(TCPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> None:
            stream.write(b"plain")
            stream.close()

    class Generator(TCPServer):
        @gen.coroutine
        def handle_stream(self, stream: IOStream, address: Any) -> Any:
            yield stream.write(b"generator")
            stream.close()

    class Failing(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            stream.write(b"failing")
            stream.close()
            raise RuntimeError("a bug of the handler")

    class FailingAtOnce(TCPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> None:
            stream.write(b"failing at once")
            stream.close()
            raise RuntimeError("another bug")

    async def main() -> None:
        for kind, expected in (
            (Plain, b"plain"),
            (Generator, b"generator"),
            (Failing, b"failing"),
            (FailingAtOnce, b"failing at once"),
        ):
            server = kind()
            (sock,) = bind_sockets(0, "127.0.0.1")
            server.add_sockets([sock])
            stream = await TCPClient().connect("127.0.0.1", sock.getsockname()[1])
            assert await stream.read_until_close() == expected
            server.stop()

    run(main)
    assert "a bug of the handler" in caplog.text
    assert "Error in connection callback" in caplog.text


def test_ssl_options_are_checked_at_once(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        TCPServer(ssl_options={})
    with pytest.raises(ValueError, match="certfile"):
        TCPServer(ssl_options={"certfile": str(tmp_path / "none")})
    (tmp_path / "a").touch()
    with pytest.raises(ValueError, match="keyfile"):
        TCPServer(ssl_options={"certfile": str(tmp_path / "a"), "keyfile": "/none"})
    assert ssl_options_to_context({}, server_side=False).check_hostname
    with pytest.raises(AssertionError):
        ssl_options_to_context({"misspelt": 1})


def test_accept_survives_running_out_of_descriptors(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Exhausted:
        """A socket whose first calls of accept fail."""

        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock
            self.calls = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.sock, name)

        def accept(self) -> Any:
            self.calls += 1
            if self.calls < 4:
                raise OSError(errno.EMFILE, "Too many open files")
            return self.sock.accept()

    monkeypatch.setattr(tornado.netutil._listeners, "EXHAUSTED_PAUSE", 0.02)

    async def main() -> None:
        (sock,) = bind_sockets(0, "127.0.0.1")
        listener = Exhausted(sock)
        accepted: asyncio.Future[Any] = asyncio.Future()
        remove = add_accept_handler(listener, lambda *args: accepted.set_result(args))  # type: ignore[arg-type]
        with socket.create_connection(sock.getsockname()):
            connection, _address = await accepted
            connection.close()
        assert listener.calls <= 6  # it waited, and did not spin
        remove()
        remove()
        sock.close()

    run(main)
    assert caplog.text.count("Too many open files") == 1


def test_connecting_to_a_name() -> None:
    async def main() -> None:
        server = Echo()
        (sock,) = bind_sockets(0, "127.0.0.1")
        server.add_sockets([sock])
        port = sock.getsockname()[1]
        mapping = {"example.org": "127.0.0.1", ("other.example", 99): ("127.0.0.1", port)}
        client = TCPClient(resolver=OverrideResolver(Resolver(), mapping))
        for host, asked in (("example.org", port), ("other.example", 99)):
            stream = await client.connect(host, asked)
            stream.close()

        class Unknown(Resolver):
            async def resolve(self, host: str, port: int, family: Any = 0) -> Any:  # type: ignore[override]
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        with pytest.raises(socket.gaierror):
            await TCPClient(resolver=Unknown()).connect("nowhere.invalid", 1)

        class Nothing(Resolver):
            async def resolve(self, host: str, port: int, family: Any = 0) -> Any:  # type: ignore[override]
                return []

        with pytest.raises(OSError):
            await TCPClient(resolver=Nothing()).connect("nowhere.invalid", 1)
        resolver = ThreadedResolver()
        assert (socket.AF_INET, ("127.0.0.1", 80)) in await resolver.resolve("127.0.0.1", 80)
        ThreadedResolver._threadpool.shutdown()  # type: ignore[union-attr]
        ThreadedResolver._threadpool = None
        server.stop()

    run(main)


def test_one_bad_address_does_not_matter() -> None:
    async def main() -> None:
        server = Echo()
        (sock,) = bind_sockets(0, "127.0.0.1")
        server.add_sockets([sock])
        with socket.create_server(("127.0.0.1", 0)) as gone:
            refusing = gone.getsockname()

        class Several(Resolver):
            async def resolve(self, host: str, port: int, family: Any = 0) -> Any:  # type: ignore[override]
                return [
                    (socket.AF_INET6, ("::1", refusing[1], 0, 0)),
                    (socket.AF_INET, refusing),
                    (socket.AF_INET, sock.getsockname()),
                ]

        stream = await TCPClient(resolver=Several()).connect("any", 1, source_ip="127.0.0.1")
        await stream.write(b"x")
        assert await stream.read_bytes(1) == b"x"
        stream.close()
        server.stop()

    run(main)


@needs_unix_sockets
def test_unix_sockets(tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        server = Echo()
        server.add_socket(bind_unix_socket(path))
        stream = IOStream(socket.socket(socket.AF_UNIX))
        await stream.connect(path)
        await stream.write(b"x")
        assert await stream.read_bytes(1) == b"x"
        stream.close()
        server.stop()

    run(main)


def test_small_helpers() -> None:
    assert is_valid_ip("::1") and not is_valid_ip("localhost")
    certificate = {"subjectAltName": (("DNS", "*.example.org"), ("IP Address", "10.0.0.1"))}
    ssl_match_hostname(certificate, "a.example.org")
    ssl_match_hostname(certificate, "10.0.0.1")
    for name in ("a.b.example.org", "example.org", "10.0.0.2", "*.example.org.evil"):
        with pytest.raises(tornado.netutil.SSLCertificateError):
            ssl_match_hostname(certificate, name)
    with pytest.raises(ValueError):
        ssl_match_hostname({}, "a.example.org")
    with pytest.raises(tornado.netutil.SSLCertificateError):
        ssl_match_hostname({"subject": ((("commonName", "b"),),)}, "a")


# --- the three ways of serving with several processes -----------------------------------

HANDLER = """
import os, socket, sys, asyncio, signal
from tornado.tcpserver import TCPServer
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado import process
from tornado.netutil import bind_sockets

class Echo(TCPServer):
    async def handle_stream(self, stream, address):
        # The task id, and the message back; then the process can be told to go.
        line = await stream.read_until(b"\\n")
        await stream.write(b"%s %s" % (str(process.task_id()).encode(), line))
        stream.close()
        if line == b"bye\\n":
            IOLoop.current().call_later(0.05, IOLoop.current().stop)

sock = socket.create_server(("127.0.0.1", 0))
port = sock.getsockname()[1]
sock.close()
print(port, flush=True)
"""

SINGLE = """
server = Echo()
server.listen(port, "127.0.0.1")
IOLoop.current().start()
"""

BIND_START = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
server = Echo()
server.bind(port, "127.0.0.1")
server.start(PROCESSES)
IOLoop.current().start()
"""

ADD_SOCKETS = """
sockets = bind_sockets(port, "127.0.0.1")
process.fork_processes(PROCESSES)
server = Echo()
server.add_sockets(sockets)
IOLoop.current().start()
"""


def ask(port: int, line: bytes) -> bytes:
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
                sock.sendall(line)
                if answer := sock.makefile("rb").readline():
                    return answer
        except (ConnectionRefusedError, ConnectionResetError):
            pass
        time.sleep(0.02)  # another process is starting, or the one that took it was leaving
    raise AssertionError("nobody listens")


@pytest.mark.parametrize(
    "style,processes", [(SINGLE, 1), (BIND_START, 3), (ADD_SOCKETS, 3), (BIND_START, 0)]
)
def test_every_process_serves(style: str, processes: int) -> None:
    count = processes or os.cpu_count() or 1
    code = HANDLER + textwrap.dedent(style).replace("PROCESSES", str(processes))
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": compat.path()},
    )
    try:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        seen: set[bytes] = set()
        for _ in range(2000):
            number, message = ask(port, b"hello\n").split(b" ", 1)
            assert message == b"hello\n"
            seen.add(number)
            if len(seen) == count:
                break
        expected = {b"None"} if processes == 1 else {b"%d" % n for n in range(count)}
        assert seen == expected
        while seen:  # each leaves once, and then answers no more
            seen.discard(ask(port, b"bye\n").split(b" ")[0])
        assert child.wait(10) == 0
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


@pytest.mark.parametrize("kind", [DefaultLoopResolver, DefaultExecutorResolver])
def test_hosts_that_are_no_text(kind: Any) -> None:
    async def main() -> None:
        resolver = kind()
        assert await resolver.resolve(b"127.0.0.1", 80) == [(socket.AF_INET, ("127.0.0.1", 80))]
        addresses = await resolver.resolve(None, 80, socket.AF_INET)
        assert addresses == [(socket.AF_INET, ("127.0.0.1", 80))]

    run(main)


def test_no_port_is_any_port() -> None:
    """As getaddrinfo has it; upstream's suites before 6 ask so."""
    for sock in tornado.netutil.bind_sockets(None, "127.0.0.1"):  # type: ignore[arg-type]
        assert sock.getsockname()[1] > 0
        sock.close()
