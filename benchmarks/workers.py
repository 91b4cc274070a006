"""What a second worker brings, and costs: ours and uvicorn's, in turns.

    python benchmarks/workers.py [--rounds 3] [--seconds 4]

Prints for `tornado-trio serve` and for `uvicorn`, with one worker and with two: requests a
second (64 connections), processor time of the workers per request, and how evenly the connections
are shared out; then what two workers gain over one. uvicorn, where it is installed, answers with a
bare function; ours with a handler of an Application. `wrk` makes the load where it is installed.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
CONNECTIONS = 64

OURS = """
import os
from tornado_trio import web
class Hello(web.RequestHandler):
    async def get(self):
        self.write(f"Hello, {os.getpid()}")
app = web.Application([("/", Hello)])
"""
THEIRS = """
import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive(); await send({"type": "lifespan.startup.complete"})
        await receive(); await send({"type": "lifespan.shutdown.complete"}); return
    body = b"Hello, %d" % os.getpid()
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def command(server: str, workers: int, port: int) -> list[str]:
    if server == "uvicorn":
        return [
            sys.executable, "-m", "uvicorn", "theirs:app", f"--port={port}",
            f"--workers={workers}", "--no-access-log", "--log-level=warning",
        ]  # fmt: skip
    return [
        sys.executable, "-m", "tornado_trio.cli", "serve", "ours:app", f"--port={port}",
        f"--workers={workers}", "--no-access-log", *(["--asyncio"] if server == "asyncio" else []),
    ]  # fmt: skip


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask_all(port: int) -> Counter[int]:
    """The worker of each of 64 connections that are opened at once."""
    found: Counter[int] = Counter()
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for sock in sockets:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    for sock in sockets:
        answer = b""
        while not answer.rpartition(b"Hello, ")[2].isdigit():
            answer += sock.recv(65536)
        found[int(answer.rpartition(b" ")[2])] += 1
        sock.close()
    return found


def load(port: int, seconds: float) -> int:
    """Requests answered."""
    arguments = ["http", str(port), "/", str(CONNECTIONS), str(seconds)]
    ended = subprocess.run(
        [sys.executable, str(HERE / "load.py"), *arguments], capture_output=True, text=True
    )
    return int(float(ended.stdout.split()[1]))


def measure(server: str, workers: int, seconds: float, folder: str) -> tuple[float, float, float]:
    """Requests a second, microseconds of processor per request, the larger share of two."""
    port = free_port()
    process = subprocess.Popen(
        command(server, workers, port),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                pids = ask_all(port)
                if len(pids) == workers:
                    break
            except OSError:
                pass  # it does not listen yet
            if time.monotonic() > deadline:
                raise SystemExit(f"{server} does not start")
            time.sleep(0.1)
        shares = [max(ask_all(port).values()) / CONNECTIONS for _ in range(5)]
        load(port, 0.5)
        before = {pid: processor_seconds(pid) for pid in pids}
        began = time.monotonic()
        answered = load(port, seconds)
        took = time.monotonic() - began
        spent = sum(processor_seconds(pid) - before[pid] for pid in pids)
        return answered / took, spent / answered * 1e6, statistics.median(shares)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    servers = ["ours", "asyncio"]
    try:
        import uvicorn  # noqa: F401

        servers.append("uvicorn")
    except ImportError:
        print("uvicorn is not installed: ours alone", file=sys.stderr)
    results: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ours.py").write_text(OURS)
        (Path(folder) / "theirs.py").write_text(THEIRS)
        for _ in range(options.rounds):
            for server in servers:
                for workers in (1, 2):
                    found = measure(server, workers, options.seconds, folder)
                    results.setdefault((server, workers), []).append(found)
    print(f"{'server':10} {'workers':>7} {'requests/s':>11} {'us/request':>11} {'share':>6}")
    medians = {}
    for (server, workers), rows in results.items():
        rate, cost, share = (statistics.median(column) for column in zip(*rows, strict=True))
        medians[server, workers] = rate, cost
        print(f"{server:10} {workers:7} {rate:11.0f} {cost:11.1f} {share:6.0%}")
    for server in servers:
        (one, cost), (two, more) = medians[server, 1], medians[server, 2]
        print(f"{server}: two workers give {two / one:.2f} times the requests at "
              f"{more / cost:.2f} times the processor time each")  # fmt: skip


if __name__ == "__main__":
    main()
