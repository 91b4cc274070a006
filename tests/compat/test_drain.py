"""`--drain`: what is under way when a program's loop ends is answered."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.children import ending

CLIENTS = 50

SERVER = """\
import asyncio, os, signal, sys
from tornado import gen, ioloop, web
from tornado.httpserver import HTTPServer

async def released():
    while not os.path.exists(sys.argv[0] + ".released"):
        await asyncio.sleep(0.05)

async def part(number):
    await released()
    return number

class Handler(web.RequestHandler):
    async def get(self, how):
        print("begun", flush=True)
        if how == "sleep":
            await released()
        elif how == "multi":  # coroutines that are tasks of their own
            assert await gen.multi([part(1), part(2)]) == [1, 2]
        else:
            while True:
                await asyncio.sleep(60)
        self.write(how)

    def on_finish(self):
        print("ended", self.get_status(), flush=True)

class Streams(HTTPServer):
    def handle_stream(self, stream, address):
        super().handle_stream(stream, address)

def serve(kind=HTTPServer):
    server = kind(web.Application([("/(.*)", Handler)]))
    server.listen(0, "127.0.0.1")
    (sock,) = server._sockets.values()
    print(sock.getsockname()[1], flush=True)
    return server
"""

ENDS = {
    "asyncio.run": """
async def main(kind=HTTPServer):
    server = serve(kind)
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()
    server.stop()
asyncio.run(main())
""",
    "over streams": """
async def main():
    server = serve(Streams)
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()
asyncio.run(main())
""",
    "loop closed": """
loop = ioloop.IOLoop()
server = serve()
loop.asyncio_loop.add_signal_handler(signal.SIGTERM, lambda: (server.stop(), loop.stop()))
loop.start()
loop.close()
""",
    "left open": """
loop = ioloop.IOLoop.current()
server = serve()
loop.asyncio_loop.add_signal_handler(signal.SIGTERM, loop.stop)
loop.start()
""",
}


def run(tmp_path: Path, end: str, *options: str) -> tuple[subprocess.Popen[str], int]:
    program = tmp_path / "program.py"
    program.write_text(SERVER + ENDS[end])
    command = [sys.executable, "-m", "compat", *options, str(program)]
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, "PYTHONPATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    port = process.stdout.readline()
    if not port:
        pytest.fail(process.communicate()[1])
    return process, int(port)


def ask(process: subprocess.Popen[str], port: int, path: str) -> socket.socket:
    """Send a request, and wait until its handler has begun."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return client


def answer(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    data = b""
    with client:
        while piece := client.recv(65536):
            data += piece
    return data


@pytest.mark.parametrize("end", list(ENDS))
@pytest.mark.parametrize("path", ["sleep", "multi"])
def test_all_are_answered(tmp_path: Path, end: str, path: str) -> None:
    process, port = run(tmp_path, end, "--drain")
    with ending(process):
        idle = socket.create_connection(("127.0.0.1", port))
        clients = [ask(process, port, path) for _ in range(CLIENTS)]
        process.send_signal(signal.SIGTERM)
        with idle:
            assert idle.recv(1) == b""  # closed, as those without a request are: the drain began
        (tmp_path / "program.py.released").touch()
        for client in clients:
            data = answer(client)
            assert data.startswith(b"HTTP/1.1 200 OK"), data
            assert data.endswith(path.encode())
            assert b"Connection: close" in data
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def test_what_lasts_is_cut(tmp_path: Path) -> None:
    process, port = run(tmp_path, "asyncio.run", "--drain=0.2")
    with ending(process):
        client = ask(process, port, "for-ever")
        process.send_signal(signal.SIGTERM)
        assert answer(client).startswith(b"HTTP/1.1 503 ")
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_without_it_the_loop_ends_as_tornados(tmp_path: Path) -> None:
    process, port = run(tmp_path, "asyncio.run")
    with ending(process):
        client = ask(process, port, "for-ever")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 0
    client.close()


@pytest.mark.parametrize("option", ["--drain=", "--drain=soon", "--drain=-1"])
def test_seconds_are_asked_for(option: str) -> None:
    command = [sys.executable, "-m", "compat", option, "-c", "pass"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "--drain takes seconds, such as --drain=30" in ended.stderr
