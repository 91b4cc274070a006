"""What looking at a service costs: metrics per request, the page with many websockets.

    python benchmarks/inspection.py [--sockets 2000] [--updates 40] [--most MS] [--instructions]

Counts, so that a busy machine tells the same: bytecodes of a native hello without and with metrics
(the least of three runs, which differ by one or two in a hundred); processor time of the server for
one update of the page, as a browser asks for it each second, while so many websockets are open,
with the history full; and for one scrape of `/metrics`. `--instructions` counts hello's machine
instructions, too, by valgrind, for which the project has to be installed, not editable.
Ends with status 1 where metrics cost more than 5 %, or an update more than `--most` milliseconds.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

CONNECTIONS = 16
ROUNDS = 40
RUNS = 3
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
METRICS_COST = 0.05


# --- the server, in a process of its own ---------------------------------------------------------


def serve(inspect: str | None, history: bool) -> None:
    """Hello and a websocket; the ports are printed."""
    import logging

    import trio

    from tornado_trio import web
    from tornado_trio.net.listeners import open_tcp_listeners
    from tornado_trio.observe import Inspector, LocalSource
    from tornado_trio.observe.serving import bind, serve_pages
    from tornado_trio.server import ServerOptions
    from tornado_trio.server import serve as serve_native

    logging.getLogger("tornado.access").disabled = True

    class Hello(web.RequestHandler):
        async def get(self) -> None:
            self.write("Hello, world")

    class Echo(web.WebSocketHandler):
        async def open(self, ws: Any) -> None:
            async for message in ws:
                await ws.send(message)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            servers: list[Any] = []
            options = ServerOptions()
            ports: list[int] = []
            if inspect is not None:
                from tornado_trio.server.hosting import current_host

                current_host.set(_Host(servers))
                inspector = Inspector(lambda: servers)
                options = inspector.meter.options(None)
                nursery.start_soon(inspector.run)
                sockets = bind(inspect, None)
                ports.append(sockets[0].getsockname()[1])
                nursery.start_soon(serve_pages, LocalSource(inspector), sockets)
                if history:
                    _fill(inspector)
            listeners = open_tcp_listeners(0, "127.0.0.1")
            ports.insert(0, listeners[0].address[1])
            app = web.Application([("/", Hello), ("/ws", Echo)])
            nursery.start_soon(lambda: serve_native(app, listeners=listeners, options=options))
            print(*ports, flush=True)

    trio.run(main)


class _Host:
    """Tells the inspector of the server."""

    def __init__(self, servers: list[Any]) -> None:
        self.servers = servers

    def prepared(self, call: Any) -> Any:
        return call

    @contextmanager
    def serving(self, server: Any, listeners: Any) -> Iterator[None]:
        self.servers.append(server)
        yield


def _fill(inspector: Any) -> None:
    """Ten minutes of history, as a service has that is in use."""
    now = int(time.time())
    for ago in range(600, 0, -1):
        inspector._ticks.append(
            {
                "t": now - ago,
                "classes": [0, 0, 100, 0, 5, 1],
                "counts": dict.fromkeys(range(10, 45), 3),
                "delay": 0.001,
                "memory": 10**8,
                "connections": 2000,
                "in_flight": 3,
            }
        )


@contextmanager
def process(*arguments: str, before: tuple[str, ...] = ()) -> Iterator[tuple[int, list[int]]]:
    """Its number, and its ports."""
    command = [*before, sys.executable, __file__, "--serve", *arguments]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.pid, [int(word) for word in server.stdout.readline().split()]
    finally:
        server.terminate()
        server.wait(60)


def processor_seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


# --- hello, with and without ---------------------------------------------------------------------


def rounds(port: int, count: int) -> None:
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for _ in range(count):
        for sock in sockets:
            sock.sendall(REQUEST)
        for sock in sockets:
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")
    for sock in sockets:
        sock.close()


class _Counter:
    """Bytecodes of the thread that it is set in, while `on`: all, and those of the project.

    Trio's own differ from run to run, by how many requests it finds in one look.
    """

    def __init__(self) -> None:
        self.on = False
        self.count = self.own = 0

    def trace(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        if not self.on:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self.step

    def step(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
        if event == "opcode":
            self.count += 1
            self.own += "tornado_trio" in frame.f_globals.get("__name__", "")
        return self.step


def bytecodes(metrics: bool) -> tuple[float, float]:
    """Of one hello, in this process: all of them, and those of the project."""
    import logging

    import trio

    from tornado_trio import web
    from tornado_trio.net.listeners import open_tcp_listeners
    from tornado_trio.observe import Inspector
    from tornado_trio.server import ServerOptions
    from tornado_trio.server import serve as serve_native

    logging.getLogger("tornado.access").disabled = True
    counter = _Counter()

    class Hello(web.RequestHandler):
        async def get(self) -> None:
            self.write("Hello, world")

    def client(port: int) -> None:
        rounds(port, 5)
        counter.on = True
        rounds(port, ROUNDS)
        counter.on = False

    async def main() -> None:
        options = ServerOptions()
        async with trio.open_nursery() as nursery:
            if metrics:
                inspector = Inspector(list)
                options = inspector.meter.options(None)
                nursery.start_soon(inspector.run)
            listeners = open_tcp_listeners(0, "127.0.0.1")
            port = listeners[0].address[1]
            app = web.Application([("/", Hello)])
            nursery.start_soon(
                lambda: serve_native(app, listeners=listeners, options=options, grace=0)
            )
            await trio.to_thread.run_sync(client, port)
            nursery.cancel_scope.cancel()

    sys.settrace(counter.trace)
    try:
        trio.run(main)
    finally:
        sys.settrace(None)
    requests = ROUNDS * CONNECTIONS
    return counter.count / requests, counter.own / requests


def instructions(metrics: bool, count: int = 50) -> float:
    """Of one hello, by valgrind: what more of them cost."""
    found = []
    for number in (20, 20 + count):
        arguments = ("--inspect",) if metrics else ()
        tool = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
        command = [*tool, sys.executable, __file__, "--serve", *arguments]
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        port = int(server.stdout.readline().split()[0])
        rounds(port, number)
        server.terminate()
        _, said = server.communicate(timeout=120)
        (line,) = [line for line in said.splitlines() if "Collected" in line]
        found.append(int(line.rpartition(":")[2]))
    return (found[1] - found[0]) / (count * CONNECTIONS)


# --- the page ------------------------------------------------------------------------------------


def page(sockets: int, updates: int) -> float:
    """Milliseconds of processor time for one update; scrapes and the first are printed, too."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    with process("--inspect", "--history") as (pid, (port, inspection)):
        peers = []
        for _ in range(sockets):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.sendall(UPGRADE)
            assert sock.recv(1000).startswith(b"HTTP/1.1 101")
            peers.append(sock)

        def ask(path: str) -> tuple[float, bytes]:
            before = processor_seconds(pid)
            with urllib.request.urlopen(f"http://127.0.0.1:{inspection}/{path}") as answer:
                body: bytes = answer.read()
            return 1000 * (processor_seconds(pid) - before), body

        first, body = ask("state?since=0&find=")
        assert b"echo" in body.lower() or b"/ws" in body
        print(f"{'the first, with its history':34}{first:10.1f} ms {len(body) / 1024:8.0f} KiB")
        since = urllib.parse.quote(str(int(time.time())))
        cost = 0.0
        for name, path in (
            ("an update of the page", f"state?since={since}&find="),
            ("with a filter that all pass", f"state?since={since}&find=%2Fws"),
            ("with a filter that nothing passes", f"state?since={since}&find=nowhere"),
            ("the tree as text", "tree"),
            ("a scrape of the metrics", "metrics"),
        ):
            found = sorted(ask(path) for _ in range(updates))
            middle, body = found[len(found) // 2]
            print(f"{name:34}{middle:10.1f} ms {len(body) / 1024:8.0f} KiB")
            if path.startswith("state"):
                cost = max(cost, middle)
        for sock in peers:
            sock.close()
    return cost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sockets", type=int, default=2000)
    parser.add_argument("--updates", type=int, default=40)
    parser.add_argument("--most", type=float, default=50.0, help="milliseconds for an update")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--inspect", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--history", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve("127.0.0.1:0" if arguments.inspect else None, arguments.history)
        return 0
    assert threading.active_count() == 1
    bad = False
    # Tracing slows a run down, so that more of the clock's ticks, which are counted, fall into it.
    total, without = min((bytecodes(False) for _ in range(RUNS)), key=lambda found: found[1])
    with_ = min(bytecodes(True)[1] for _ in range(RUNS))
    bad |= (share := (with_ - without) / total) > METRICS_COST
    print(f"hello: {total:.0f} bytecodes, metrics {with_ - without:.0f} more ({share:+.1%})")
    if arguments.instructions:
        total, more = instructions(False), instructions(True)
        bad |= (share := more / total - 1) > METRICS_COST
        print(f"hello: {total:.0f} instructions, with metrics {more:.0f} ({share:+.1%})")
    print(f"{arguments.sockets} websockets, processor time of the server:")
    return int(page(arguments.sockets, arguments.updates) > arguments.most or bad)


if __name__ == "__main__":
    sys.exit(main())
