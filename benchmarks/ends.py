"""Requests that a SIGTERM loses: counted, so the same on a busy machine.

    python benchmarks/ends.py PYTHON_WITH_TORNADO

SIGTERM comes while every client has a request under way; one that gets no whole answer is lost.
One program for Tornado, whose loop ends at the signal, runs on upstream's Tornado, and over the
overlay with `--drain`.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

NATIVE = """
import sys, trio
from tornado_trio import run, web
class Hello(web.RequestHandler):
    async def get(self):
        await trio.sleep(float(self.get_argument("s", "0")))
        self.write("hello")
run(web.Application([("/", Hello)]), port=int(sys.argv[1]), access_log=False)
"""
LEGACY = """
import asyncio, signal, sys, tornado.web
class Hello(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(float(self.get_argument("s", "0")))
        self.write("hello")
async def main():
    app = tornado.web.Application([("/", Hello)], log_function=lambda handler: None)
    app.listen(int(sys.argv[1]), "127.0.0.1")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
asyncio.run(main())
"""
SERVERS = {
    "native": (NATIVE, []),
    "compat": (LEGACY, ["-m", "compat", "--drain"]),
    "Tornado": (LEGACY, []),
}
CLIENTS = 50  # that have a request under way
TIMES = 10


class Server:
    def __init__(self, name: str, python: str, folder: Path) -> None:
        program, launcher = SERVERS[name]
        file = folder / f"{name}_program.py"  # not the name of a module
        file.write_text(program)
        with socket.create_server(("127.0.0.1", 0)) as sock:
            self.port = sock.getsockname()[1]
        command = [python, *launcher, str(file), str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                ask(self.port, 0).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def ask(port: int, seconds: float) -> socket.socket:
    """A kept connection on which a request was sent and, if it takes no time, answered."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=60)
    sock.sendall(f"GET /?s={seconds} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    if not seconds and not answered(sock):
        raise OSError("no answer")
    return sock


def answered(sock: socket.socket) -> bool:
    data = b""
    try:
        while not data.endswith(b"\r\n\r\nhello"):
            piece = sock.recv(65536)
            if not piece:
                return False
            data += piece
    except OSError:
        return False
    return data.startswith(b"HTTP/1.1 200")


def lost(name: str, python: str, folder: Path, clients: int) -> int:
    """How many of `clients` requests that were being handled at SIGTERM got no answer."""
    server = Server(name, python, folder)
    try:
        sockets = [ask(server.port, 0.5) for _ in range(clients)]
        time.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)
        results: list[bool] = []
        threads = [
            threading.Thread(target=lambda s=sock: results.append(answered(s))) for sock in sockets
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results.count(False)
    finally:
        server.close()


def losses(python: str, times: int = TIMES) -> dict[str, int]:
    """Of `times * CLIENTS` requests, by server. `python` has Tornado installed."""
    with tempfile.TemporaryDirectory() as name:
        return {
            server: sum(
                lost(server, python if server == "Tornado" else sys.executable, Path(name), CLIENTS)
                for _ in range(times)
            )
            for server in SERVERS
        }


if __name__ == "__main__":
    for server, count in losses(sys.argv[1]).items():
        print(f"{server:8} {count} of {CLIENTS * TIMES}")
