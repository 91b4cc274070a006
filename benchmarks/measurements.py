"""What is measured of servers side by side, and how: the sections of `side_by_side.py`.

Knows stacks, load and counting. Must not know files of results or pages.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import compare
import ends
import load
from compare import AVAILABLE, processors
from profile_request import CONNECTIONS, REQUESTS, Clients
from stacks import ENGINES, Running, Stack, running

CASES = (*REQUESTS, "websocket")
Rows = dict[str, list[float | None]]  # a stack's figures, in the order of the columns


@dataclass(slots=True)
class Plan:
    """What to measure, and how long."""

    python: str
    cases: list[str]
    stacks: list[Stack]
    rounds: int
    seconds: float
    quick: bool
    against: list[compare.Case] = field(default_factory=list)  # `compare`'s cases
    jobs: int = 1  # servers that are under valgrind at a time

    def sizes(self, *all_of_them: int) -> list[int]:
        return list(all_of_them[:2] if self.quick else all_of_them)


def connect(port: int, case: str, count: int) -> list[load.Connection]:
    if case == "websocket":
        return [load.WebSocket(port, "/socket", 100) for _ in range(count)]
    return [load.Connection(port, REQUESTS[case]) for _ in range(count)]


def close(connections: Sequence[load.Connection]) -> None:
    for connection in connections:
        connection.socket.close()


def said(error: BaseException) -> None:
    print(f"  {error}", file=sys.stderr)


# --- instructions ----------------------------------------------------------------------------


def exchange(port: int, case: str, rounds: int) -> None:
    """Sixteen kept connections ask, and are answered, so many times."""
    if case != "websocket":
        clients = Clients(port, REQUESTS[case])
        clients.rounds(rounds)
        clients.close()
        return
    connections = connect(port, case, CONNECTIONS)
    for _ in range(rounds):
        for connection in connections:
            connection.send()
        for connection in connections:
            while not connection.receive():
                pass
    close(connections)


def counted(server: Running, folder: str) -> int:
    """Instructions since the last call."""
    known = set(Path(folder).iterdir())
    subprocess.run(
        ["vgdb", f"--pid={server.pid}", "dump"], check=True, capture_output=True, timeout=60
    )
    (new,) = set(Path(folder).iterdir()) - known
    return sum(
        int(line.split()[1]) for line in new.read_text().splitlines() if line.startswith("summary:")
    )


def counts(plan: Plan, stack: Stack) -> list[float | None]:
    """Of one stack, for each case: the difference of few and many, so that connecting is out."""
    few, more = (2, 4) if plan.quick else (6, 20)
    found: list[float | None] = []
    with tempfile.TemporaryDirectory() as folder:
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        try:
            with running(stack, plan.python, before=tool) as server:
                for case in plan.cases:
                    exchange(server.port, case, 2 * few)  # what the first requests load
                    counted(server, folder)
                    exchange(server.port, case, few)
                    base = counted(server, folder)
                    exchange(server.port, case, few + more)
                    found.append((counted(server, folder) - base) / (more * CONNECTIONS) / 1000)
                    print(f"{case} {stack.name}: {found[-1]:.1f} k", file=sys.stderr, flush=True)
        except (RuntimeError, OSError, SystemExit, subprocess.SubprocessError) as error:
            said(RuntimeError(f"{stack.name}: {error}"))
    return found + [None] * (len(plan.cases) - len(found))


def instructions(plan: Plan) -> tuple[list[str], Rows]:
    """Per request, in thousands. Several servers at a time: that changes no count."""
    with ThreadPoolExecutor(plan.jobs) as pool:
        rows = list(pool.map(lambda stack: counts(plan, stack), plan.stacks))
    return plan.cases, {stack.name: row for stack, row in zip(plan.stacks, rows, strict=True)}


# --- processor time --------------------------------------------------------------------------


def cost(server: Running, case: str, connections: int, seconds: float) -> float:
    """Microseconds of processor per answer."""
    opened = connect(server.port, case, connections)
    before = server.seconds()
    try:
        _, answers = load.measure(opened, seconds)
    finally:
        close(opened)
    return (server.seconds() - before) / answers * 1e6


Measure = Callable[[Running], float]


def in_turns(
    plan: Plan,
    stacks: Sequence[Stack],
    columns: dict[str, Measure],
    environment: dict[str, str] | None = None,
) -> Rows:
    """Medians of rounds in which every server is measured, one right after the other."""
    found: dict[tuple[str, str], list[float]] = {}
    with contextlib.ExitStack() as started:
        servers: dict[str, Running] = {}
        for stack in stacks:
            with contextlib.suppress(RuntimeError):
                block = running(stack, plan.python, cpus=processors()[0], environment=environment)
                servers[stack.name] = started.enter_context(block)
        for turn in range(plan.rounds):
            order = list(servers.items())
            for column, measure in columns.items():
                for name, server in order if turn % 2 == 0 else reversed(order):
                    try:
                        value = measure(server)
                    except (OSError, SystemExit, ZeroDivisionError) as error:
                        said(RuntimeError(f"{name}, {column}: {error}"))
                        continue
                    found.setdefault((name, column), []).append(value)
                    print(f"{turn + 1} {column} {name}: {value:.1f}", file=sys.stderr)
    return {
        stack.name: [
            statistics.median(values) if (values := found.get((stack.name, column))) else None
            for column in columns
        ]
        for stack in stacks
    }


def requests(plan: Plan) -> tuple[list[str], Rows]:
    columns: dict[str, Measure] = {
        case: lambda server, case=case: cost(server, case, 32, plan.seconds) for case in plan.cases
    }
    return list(columns), in_turns(plan, plan.stacks, columns)


def connections(plan: Plan) -> tuple[list[str], Rows]:
    columns: dict[str, Measure] = {
        str(count): lambda server, count=count: cost(server, "hello", count, plan.seconds)
        for count in plan.sizes(1, 10, 100, 1000)
    }
    return list(columns), in_turns(plan, plan.stacks, columns)


def routes(plan: Plan) -> tuple[list[str], Rows]:
    """The last of so many is asked for."""
    rows: Rows = {stack.name: [] for stack in plan.stacks}
    counts = plan.sizes(1, 10, 100, 1000, 10_000)
    for count in counts:
        request = load.request_bytes(80, f"/route{count - 1}/7", None)

        def measure(server: Running, request: bytes = request) -> float:
            opened = [load.Connection(server.port, request) for _ in range(32)]
            before = server.seconds()
            try:
                _, answers = load.measure(opened, plan.seconds)
            finally:
                close(opened)
            return (server.seconds() - before) / answers * 1e6

        found = in_turns(plan, plan.stacks, {str(count): measure}, {"ROUTES": str(count)})
        for name, values in found.items():
            rows[name] += values
    return [str(count) for count in counts], rows


def body_cost(server: Running, size: int, up: bool, seconds: float) -> float:
    """Microseconds of processor per KiB."""
    if up:
        head = f"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"
        request = head.encode() + bytes(size)
    else:
        request = load.request_bytes(80, f"/download/{size}", None)
    connection = load.Connection(server.port, request)
    connection.socket.settimeout(120)
    before, count = server.seconds(), 0
    until = time.monotonic() + seconds
    while not count or time.monotonic() < until:
        connection.send()
        while not connection.receive():
            pass
        count += 1
    close([connection])
    return (server.seconds() - before) / count / (size / 1024) * 1e6


def bodies(plan: Plan) -> tuple[list[str], Rows]:
    names = {1024: "1 KiB", 32_768: "32 KiB", 1 << 20: "1 MiB", 100 << 20: "100 MiB"}
    columns: dict[str, Measure] = {
        f"{names[size]} {'up' if up else 'down'}": lambda server, size=size, up=up: body_cost(
            server, size, up, plan.seconds
        )
        for up in (True, False)
        for size in plan.sizes(*names)
    }
    return list(columns), in_turns(plan, plan.stacks, columns)


# --- memory, workers, engines ----------------------------------------------------------------


def idle(plan: Plan) -> tuple[list[str], Rows]:
    """KiB per connection that has been answered once and now waits."""
    rows: Rows = {}
    counts = plan.sizes(100, 1000, 5000)
    for stack in plan.stacks:
        row = rows.setdefault(stack.name, [])
        for case in ("hello", "websocket"):
            try:
                with running(stack, plan.python) as server:
                    row += grown(server, case, counts)
            except (RuntimeError, OSError, SystemExit) as error:
                said(error)
                row += [None] * len(counts)
    columns = [f"{count} {what}" for what in ("kept", "websockets") for count in counts]
    return columns, rows


def grown(server: Running, case: str, counts: list[int]) -> list[float | None]:
    opened: list[load.Connection] = []

    def open_to(count: int) -> int:
        while len(opened) < count:
            (connection,) = connect(server.port, case, 1)
            opened.append(connection)
            connection.send()
            while not connection.receive():
                pass
        time.sleep(0.5)
        return server.memory()

    warm = 100  # what the process needs for any connection at all
    base = open_to(warm)
    figures: list[float | None] = [(open_to(warm + n) - base) / n / 1024 for n in counts]
    close(opened)
    return figures


def workers(plan: Plan) -> tuple[list[str], Rows]:
    """Requests a second; all processors for both sides."""
    counts = [n for n in (1, 2, 4, 8, 16, 32) if n <= max(len(AVAILABLE), 2)]
    rows: Rows = {}
    for stack in plan.stacks:
        if not stack.pool:
            continue
        for count in counts:
            with running(stack, plan.python, workers=count) as server:
                time.sleep(2)  # until all of them listen
                opened = connect(server.port, "hello", 64)
                rate, _ = load.measure(opened, plan.seconds)
                close(opened)
            rows.setdefault(stack.name, []).append(rate)
            print(f"{count} workers {stack.name}: {rate:.0f}/s", file=sys.stderr)
    return [str(count) for count in counts], rows


def engines(plan: Plan) -> tuple[list[str], Rows]:
    """Ours and h11 behind the same server. (httptools is no engine of this project.)"""
    cases = [case for case in plan.cases if case != "websocket"]
    columns: dict[str, Measure] = {
        case: lambda server, case=case: cost(server, case, 32, plan.seconds) for case in cases
    }
    return cases, in_turns(plan, ENGINES, columns)


# --- Tornado's own programs ------------------------------------------------------------------


def tornado(plan: Plan) -> tuple[list[str], Rows]:
    """How many times better than upstream, by case."""
    sides = compare.compared(plan.against, Path(plan.python), plan.rounds, plan.seconds)
    found = compare.ratios(plan.against, *sides)
    return ["compat / Tornado"], {name: [value] for name, value in found.items()}


def lost(plan: Plan) -> tuple[list[str], Rows]:
    times = 1 if plan.quick else ends.TIMES
    found = ends.losses(plan.python, times)
    return [f"lost of {times * ends.CLIENTS}"], {name: [count] for name, count in found.items()}


@dataclass(frozen=True, slots=True)
class Section:
    """A table of the data file."""

    measure: Callable[[Plan], tuple[list[str], Rows]]
    title: str
    unit: str
    curve: bool = False  # its columns are sizes, that grow


SECTIONS = {
    "tornado": Section(tornado, "The same program on compat and on Tornado", "times as good"),
    "instructions": Section(instructions, "Instructions per request", "thousand"),
    "requests": Section(requests, "Processor time per request, 32 connections", "µs"),
    "connections": Section(connections, "Hello, by number of connections", "µs", True),
    "routes": Section(routes, "The last of so many routes", "µs", True),
    "bodies": Section(bodies, "Bodies, processor time per KiB", "µs"),
    "idle": Section(idle, "Memory per idle connection", "KiB"),
    "workers": Section(workers, "Requests a second, by number of workers", "1/s", True),
    "ends": Section(lost, "Requests lost at SIGTERM", "requests"),
    "engines": Section(engines, "Engines of HTTP/1.1, processor time per request", "µs"),
}
