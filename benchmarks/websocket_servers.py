"""WebSocket servers side by side: echo, compression, broadcast, memory of idle connections.

    python benchmarks/websocket_servers.py --upstream /path/to/python-with-tornado

What counts is the server's own processor time per message (of one core), which other load on
the machine disturbs least: shown are medians of some rounds, in turns, and how many times less
it is than the first server's. `--seconds` is per measurement; `--only echo` picks.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import load
from load import WebSocket

HERE = Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")


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


Measure = Callable[[Server, float], float]


def idle(path: str, connections: int) -> Measure:
    """KiB per idle connection."""

    def measure(server: Server, seconds: float) -> float:
        warm = [WebSocket(server.port, path, 100) for _ in range(100)]
        time.sleep(0.5)
        before = server.memory()
        socks = [WebSocket(server.port, path, 100) for _ in range(connections)]
        time.sleep(0.5)
        used = server.memory() - before
        end(warm + socks)
        return used / connections / 1024

    return measure


def messages(path: str, size: int, connections: int) -> Measure:
    """Microseconds of processor time per message."""

    def measure(server: Server, seconds: float) -> float:
        socks = [WebSocket(server.port, path, size) for _ in range(connections)]
        time.sleep(0.2)  # the last handshakes are no part of it
        before = server.cpu()
        _, done = load.measure(list(socks), seconds, path == "/room")
        cost = (server.cpu() - before) / done * 1e6
        end(socks)
        return cost

    return measure


def end(socks: list[WebSocket]) -> None:
    for sock in socks:
        sock.socket.close()


def cases(idle_connections: int) -> list[tuple[str, str, Measure]]:
    """Names, units, and how it is measured."""
    return [
        ("echo 100 B, 1 connection", "us", messages("/echo", 100, 1)),
        ("echo 100 B, 32 connections", "us", messages("/echo", 100, 32)),
        ("echo 64 KiB", "us", messages("/echo", 65536, 4)),
        ("echo 100 B, compressed", "us", messages("/deflate", 100, 32)),
        ("echo 64 KiB, compressed", "us", messages("/deflate", 65536, 4)),
        ("broadcast 100 B to 1000", "us", messages("/room", 100, 1000)),
        ("idle", "KiB", idle("/echo", idle_connections)),
        ("idle, compressed", "KiB", idle("/deflate", idle_connections)),
    ]


def compare(
    servers: dict[str, tuple[list[str], dict[str, str]]],
    measure: Measure,
    rounds: int,
    seconds: float,
) -> dict[str, float]:
    """The median for each server."""
    figures: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, (command, environment) in servers.items():
            server = Server(command, environment)
            try:
                figures[name].append(measure(server, seconds))
            finally:
                server.stop()
    return {name: statistics.median(found) for name, found in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--upstream", help="a Python with the real Tornado")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
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
    print(f"{'':32}" + "".join(f"{name:>20}" for name in servers))
    for case, unit, measure in cases(options.idle):
        if options.only not in case:
            continue
        figures = compare(servers, measure, options.rounds, options.seconds)
        first = next(iter(figures.values()))
        cells = [f"{figure:.1f} {unit} {first / figure:5.2f}" for figure in figures.values()]
        print(f"{case:32}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
