"""What one request costs, and which functions: counted, so the same on a busy machine.

    python benchmarks/profile_request.py [--door native,compat] [--case hello,json,echo] [--top 20]

Counts the bytecodes of one request over 16 kept connections, by function. With `--instructions`
valgrind counts the processor's instructions in user space as well: some minutes for each case. For
that the project should be installed, not editable: an editable one is imported by more steps.

The cases: a text; JSON of path and query; a posted JSON body of 20 objects, sent back.

Beside `native` and `compat` there are two doors for the text alone: `function`, which answers
exchanges itself, and `mounted`, an ASGI application that does the same (apps/mounted.py).
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CONNECTIONS = 16
PROGRAMS = {
    "native": "answers_native",
    "compat": "answers",
    "function": "mounted",
    "mounted": "mounted",
}
ONLY_TEXT = ("function", "mounted")
BODY = json.dumps(
    {"items": [{"id": i, "name": f"item {i}", "price": i + 0.5} for i in range(20)]},
    separators=(",", ":"),
).encode()
HOST = b"Host: 127.0.0.1\r\n"
REQUESTS = {
    "hello": b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "json": b"GET /json/abc/12?q=1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "echo": b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
}


class Clients:
    """Kept connections that send a request each, and then read an answer each."""

    def __init__(self, port: int, request: bytes) -> None:
        self.request = request
        self.sockets = [
            socket.create_connection(("127.0.0.1", port), 60) for _ in range(CONNECTIONS)
        ]

    def rounds(self, count: int) -> None:
        for _ in range(count):
            for sock in self.sockets:
                sock.sendall(self.request)
            for sock in self.sockets:
                self._receive(sock)

    def _receive(self, sock: socket.socket) -> None:
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = sock.recv(65536)
            if not data:
                raise SystemExit(f"the server closed the connection after {answer[:200]!r}")
            answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            raise SystemExit(f"not the answer: {head[:200]!r}")
        while len(body) < int(length[1]):
            body += sock.recv(65536)

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


# --- bytecodes -------------------------------------------------------------------------------


class Counter:
    """Counts bytecodes and calls of each function of one thread, while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.steps: collections.Counter[CodeType] = collections.Counter()
        self.calls: collections.Counter[CodeType] = collections.Counter()

    def trace(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        if not self.on:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        code, steps = frame.f_code, self.steps
        self.calls[code] += 1

        def step(frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
            if event == "opcode":
                steps[code] += 1
            return step

        return step

    def rows(self, requests: int) -> list[tuple[str, float, float]]:
        """(function, bytecodes, calls) per request, the dearest first."""
        return [
            (_name(code), count / requests, self.calls[code] / requests)
            for code, count in self.steps.most_common()
        ]


def _name(code: CodeType) -> str:
    path = code.co_filename
    for root in ("site-packages/", f"{ROOT}/", "lib/python"):
        path = path.rpartition(root)[2]
    return f"{path}:{getattr(code, 'co_qualname', code.co_name)}"


def count_here(door: str, case: str, rounds: int) -> list[tuple[str, float, float]]:
    """Serve in this thread, ask from another, count between."""
    sys.path[:0] = [str(ROOT), str(HERE / "apps")]
    counter = Counter()

    def ask(port: int) -> None:
        clients = Clients(port, REQUESTS[case])
        clients.rounds(5)
        counter.on = True
        clients.rounds(rounds)
        counter.on = False
        clients.close()

    sys.settrace(counter.trace)
    try:
        _serve_compat(ask) if door == "compat" else _serve_native(_application(door), ask)
    finally:
        sys.settrace(None)
    return counter.rows(rounds * CONNECTIONS)


def _application(door: str) -> Any:
    program = importlib.import_module(PROGRAMS[door])
    return program.make_app(*([door] if door in ONLY_TEXT else []))


def _serve_native(app: Any, ask: Callable[[int], None]) -> None:
    import trio

    from tornado_trio import serve

    async def main() -> None:
        async with trio.open_nursery() as nursery:

            async def start(*, task_status: trio.TaskStatus[Any]) -> None:
                await serve(app, 0, host="127.0.0.1", task_status=task_status)

            (listener,) = await nursery.start(start)
            await trio.to_thread.run_sync(ask, listener.address[1])
            nursery.cancel_scope.cancel()

    trio.run(main)


def _serve_compat(ask: Callable[[int], None]) -> None:
    import compat  # noqa: F401 - makes the modules of Tornado importable

    ioloop = importlib.import_module("tornado.ioloop")
    netutil = importlib.import_module("tornado.netutil")
    httpserver = importlib.import_module("tornado.httpserver")
    app = _application("compat")

    async def main() -> None:
        (sock,) = netutil.bind_sockets(0, "127.0.0.1")
        server = httpserver.HTTPServer(app)
        server.add_sockets([sock])
        port = sock.getsockname()[1]
        await ioloop.IOLoop.current().run_in_executor(None, ask, port)
        server.stop()
        await server.close_all_connections()

    ioloop.IOLoop.current().run_sync(main)


# --- instructions ----------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _instructions(door: str, case: str, requests: int) -> int:
    """All instructions of a server that answers so many requests."""
    port = _free_port()
    program = str(HERE / "apps" / f"{PROGRAMS[door]}.py")
    command = [sys.executable, *(["-m", "compat"] if door == "compat" else []), program, str(port)]
    command += [door] if door in ONLY_TEXT else []
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", *command],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        report: list[bytes] = []
        assert server.stderr is not None
        reader = threading.Thread(
            target=lambda pipe: report.append(pipe.read()), args=[server.stderr]
        )
        reader.start()
        try:
            _wait_for(port, server)
            clients = Clients(port, REQUESTS[case])
            clients.rounds(requests // CONNECTIONS)
            clients.close()
            server.send_signal(signal.SIGINT)
            server.wait(300)
        finally:
            server.kill()
            server.wait()
            reader.join()
    counted = re.search(rb"Collected : (\d+)", report[0])
    if counted is None:
        raise SystemExit(f"valgrind did not count: {report[0].decode()[-500:]}")
    return int(counted[1])


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server did not start under valgrind")


def instructions(door: str, case: str, requests: int = 800) -> float:
    """Per request: the difference between few and many, so that what begins and ends is out."""
    few = 320
    most = _instructions(door, case, few + requests)
    return (most - _instructions(door, case, few)) / requests


# --- the report ------------------------------------------------------------------------------


def report(door: str, case: str, rows: list[tuple[str, float, float]], top: int) -> str:
    lines = [f"{door} {case}: {sum(row[1] for row in rows):.0f} bytecodes a request"]
    for name, steps, calls in rows[:top]:
        lines.append(f"{steps:8.1f}  x{calls:.2f}  {name}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--door", default="native,compat")
    parser.add_argument("--case", default="hello,json,echo")
    parser.add_argument("--top", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    doors, cases = args.door.split(","), args.case.split(",")
    if args.here:
        print(json.dumps(count_here(doors[0], cases[0], args.rounds)))
        return
    for door in doors:
        for case in cases[:1] if door in ONLY_TEXT else cases:
            # Each in a process of its own: one library's imports are not the other's cost.
            child = [sys.executable, __file__, "--here", f"--door={door}", f"--case={case}"]
            done = subprocess.run(
                [*child, f"--rounds={args.rounds}"], stdout=subprocess.PIPE, check=True, timeout=300
            )
            print(report(door, case, json.loads(done.stdout), args.top), flush=True)
            if args.instructions:
                print(f"{instructions(door, case):8.0f} instructions a request", flush=True)


if __name__ == "__main__":
    main()
