"""What the README's table says of memory and of ends: counted, so the same on a busy machine.

    python benchmarks/ends_and_memory.py [--upstream PYTHON] [--idle N] [--clients N] [--ends N]

Memory: what a server's resident set grows by for a kept connection that has had one answer.
Ends: SIGTERM while every client has a request under way; one that gets no whole answer is lost.
One program for Tornado, whose loop ends at the signal, runs on upstream's Tornado, and over the
overlay with `--drain`.
"""

from __future__ import annotations

import argparse
import os
import resource
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
    "tornado": (LEGACY, []),
}


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

    def resident(self) -> int:
        """Bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

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


def idle_bytes(name: str, python: str, folder: Path, count: int) -> float:
    server = Server(name, python, folder)
    try:
        warm = [ask(server.port, 0) for _ in range(100)]
        before = server.resident()
        kept = [ask(server.port, 0) for _ in range(count)]
        grown = (server.resident() - before) / count
        for sock in warm + kept:
            sock.close()
        return grown
    finally:
        server.close()


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--upstream", help="a Python that has Tornado installed")
    parser.add_argument("--idle", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--ends", type=int, default=10)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    pythons = {"native": sys.executable, "compat": sys.executable}
    if arguments.upstream:
        pythons["tornado"] = arguments.upstream
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for server, python in pythons.items():
            size = idle_bytes(server, python, folder, arguments.idle)
            gone = sum(
                lost(server, python, folder, arguments.clients) for _ in range(arguments.ends)
            )
            print(
                f"{server:8} {size / 1024:5.1f} KiB an idle connection, "
                f"{gone} of {arguments.clients * arguments.ends} requests lost at SIGTERM",
                flush=True,
            )


if __name__ == "__main__":
    main()
