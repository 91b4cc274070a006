"""WebSocket servers side by side: echo, compression, broadcast, memory of idle connections.

    python benchmarks/websocket_servers.py --upstream /path/to/python-with-tornado

What counts is the server's own processor time per message (of one core), which other load on
the machine disturbs least. `--seconds` is per measurement; `--only echo` picks.
"""

from __future__ import annotations

import argparse
import os
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")


def head(path: str) -> bytes:
    deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if path == "/deflate" else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n{deflate}\r\n"
    ).encode()


def frame(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        lead = bytes((0x81, 0x80 | size))
    elif size < 65536:
        lead = b"\x81\xfe" + size.to_bytes(2, "big")
    else:
        lead = b"\x81\xff" + size.to_bytes(8, "big")
    return lead + b"\0\0\0\0" + payload  # a mask of zeros masks as well as any


def connect(port: int, path: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(head(path))
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1)
    assert b" 101 " in answer, answer
    return sock


def read_frame(sock: socket.socket) -> int:
    """Reads one unmasked frame; its size."""
    data = bytearray()
    need = 2
    while len(data) < need:
        data += sock.recv(262144)
        if len(data) >= 2 and need == 2:
            size = data[1] & 127
            if size == 126 and len(data) >= 4:
                need = 4 + int.from_bytes(data[2:4], "big")
            elif size == 127 and len(data) >= 10:
                need = 10 + int.from_bytes(data[2:10], "big")
            elif size < 126:
                need = 2 + size
            else:
                need = 10
    return len(data)


def echo(port: int, path: str, size: int, connections: int, seconds: float) -> int:
    """Ping-pong on every connection for a while; messages answered."""
    message = frame((b"All work and no play. " * (size // 20 + 1))[:size])
    socks = [connect(port, path) for _ in range(connections)]
    selector = selectors.DefaultSelector()
    expected = {}
    for sock in socks:
        # Compressed answers shrink once the context is warm; then all are alike.
        for _ in range(4):
            sock.sendall(message)
            expected[sock] = read_frame(sock)
    left = dict.fromkeys(socks, 0)
    for sock in socks:
        selector.register(sock, selectors.EVENT_READ)
        sock.sendall(message)
        left[sock] = expected[sock]
    done = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(1):
            sock = key.fileobj  # type: ignore[assignment]
            left[sock] -= len(sock.recv(262144))
            if left[sock] <= 0:
                left[sock] += expected[sock]
                done += 1
                sock.sendall(message)
    for sock in socks:
        sock.close()
    return done


def room(port: int, size: int, connections: int, seconds: float) -> int:
    """One sends, all receive; messages received."""
    message = frame(b"x" * size)
    socks = [connect(port, "/room") for _ in range(connections)]
    time.sleep(0.5)
    expected = size + (2 if size < 126 else 4)
    done = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        socks[0].sendall(message)
        for sock in socks:
            got = 0
            while got < expected:
                got += len(sock.recv(65536))
        done += connections
    for sock in socks:
        sock.close()
    return done


class Server:
    """A server process and what the kernel says about it."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            self.port = sock.getsockname()[1]
        self.process = subprocess.Popen([*command, str(self.port)], env=environment)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server does not listen")

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self) -> int:
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty"):
                return int(line.split()[1]) * 1024
        return 0

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def idle(server: Server, path: str, connections: int) -> float:
    """Bytes per idle connection."""
    warm = [connect(server.port, path) for _ in range(100)]
    time.sleep(0.5)
    before = server.memory()
    socks = [connect(server.port, path) for _ in range(connections)]
    time.sleep(0.5)
    used = server.memory() - before
    for sock in warm + socks:
        sock.close()
    return used / connections


CASES: dict[str, Callable[[int, float], int]] = {
    "echo 100 B, 1 connection": lambda port, s: echo(port, "/echo", 100, 1, s),
    "echo 100 B, 32 connections": lambda port, s: echo(port, "/echo", 100, 32, s),
    "echo 64 KiB": lambda port, s: echo(port, "/echo", 65536, 4, s),
    "echo 100 B, compressed": lambda port, s: echo(port, "/deflate", 100, 32, s),
    "echo 64 KiB, compressed": lambda port, s: echo(port, "/deflate", 65536, 4, s),
    "broadcast 100 B to 1000": lambda port, s: room(port, 100, 1000, s),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--upstream", help="a Python with the real Tornado")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--idle", type=int, default=2000)
    parser.add_argument("--without", default="", help="servers to leave out")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    root = HERE.parent
    compat = {**os.environ, "PYTHONPATH": f"{root / 'compat'}:{root}"}
    app, native = str(HERE / "apps" / "sockets.py"), str(HERE / "apps" / "sockets_native.py")
    servers = {
        "compat": ([sys.executable, app], compat),
        "native": ([sys.executable, native], {**os.environ, "PYTHONPATH": str(root)}),
    }
    if options.upstream:
        servers = {"upstream": ([options.upstream, app], dict(os.environ)), **servers}
    for name in options.without.split(","):
        servers.pop(name, None)
    print(f"{'':32}" + "".join(f"{name:>22}" for name in servers))
    for case, run in CASES.items():
        if options.only not in case:
            continue
        print(f"{case:32}", end="", flush=True)
        for command, environment in servers.values():
            server = Server(command, environment)
            try:
                before, begin = server.cpu(), time.perf_counter()
                done = run(server.port, options.seconds)
                cost = (server.cpu() - before) / done * 1e6
                rate = done / (time.perf_counter() - begin)
            finally:
                server.stop()
            print(f"{cost:8.1f} us {rate:8.0f}/s", end="", flush=True)
        print()
    for case, path in (("idle", "/echo"), ("idle, compressed", "/deflate")):
        if options.only not in case:
            continue
        print(f"{case:32}", end="", flush=True)
        for command, environment in servers.values():
            server = Server(command, environment)
            try:
                print(f"{idle(server, path, options.idle) / 1024:16.1f} KiB", end="  ", flush=True)
            finally:
                server.stop()
        print()


if __name__ == "__main__":
    main()
