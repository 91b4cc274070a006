"""Side-by-side speed: upstream Tornado against this project, the same programs under both.

    python benchmarks/compare.py [--rounds 3] [--seconds 1.5] [--quick]
                                 [--only hello,websocket] [--json FILE]

Upstream runs in an environment of its own (made on first use, by pip, next to this file);
this project runs by ``python -m compat app.py``. Each round measures every case under both, one
right after the other and in turns, so that a machine that slows down slows down both. The
table shows medians and how many times better we are. Server and load have a
processor each where the machine has two.

The last column compares the processor time that the server took per answer: other work on
the machine hardly touches it, so trust it more than the one before when the machine is not idle.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cases import CASES, Case

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
UPSTREAM = "6.6.1"
AVAILABLE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@dataclass(slots=True)
class Side:
    """One of the two that are compared: how it starts a program."""

    name: str
    command: list[str]
    environment: dict[str, str]
    results: dict[str, list[float]] = field(default_factory=dict)
    costs: dict[str, list[float]] = field(default_factory=dict)  # µs of processor per answer
    errors: dict[str, str] = field(default_factory=dict)


def upstream_python(folder: Path) -> str:
    """The interpreter of an environment with upstream Tornado, made when it is not there."""
    folder = folder.absolute()  # the programs run in another folder
    if folder.is_file():
        return str(folder)  # an interpreter was named
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder} with tornado {UPSTREAM} ...", file=sys.stderr)
        venv.create(folder, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", f"tornado=={UPSTREAM}"]
        subprocess.run(install, check=True, timeout=600)
    return str(python)


def sides(folder: Path, compiled: str) -> tuple[Side, Side]:
    """Both sides; what they import is compiled once, into a folder of this run's."""
    unwanted = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    environment["PYTHONPYCACHEPREFIX"] = compiled
    ours = [sys.executable, "-m", "compat"]
    return (
        Side("upstream", [upstream_python(folder)], environment),
        Side("ours", ours, {**environment, "PYTHONPATH": str(ROOT)}),
    )


def processors() -> tuple[set[int], set[int]]:
    """One for the server, the others for the load; the same for both if there is only one."""
    return set(AVAILABLE[:1]), set(AVAILABLE[1:] or AVAILABLE)


def pinned(cpus: set[int]) -> dict[str, object]:
    if not cpus:
        return {}
    return {"preexec_fn": lambda: os.sched_setaffinity(0, cpus)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, cpus: set[int], **kwargs: object) -> Iterator[int]:
    """A server process that accepts connections on `port`; its process id."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **pinned(cpus), **kwargs
    )
    try:
        deadline = time.monotonic() + 15
        while True:
            if process.poll() is not None:
                assert process.stderr is not None
                text = process.stderr.read().decode("utf-8", "replace").strip()
                raise RuntimeError("the server ended: " + text.splitlines()[-1][:200])
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not listen")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def processor_time(pid: int) -> float:
    """Seconds of processor a process has used; 0 where the system does not say."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def numbers_from(
    command: list[str], cpus: set[int], timeout: float, **kwargs: object
) -> list[float]:
    """Run a program that prints numbers."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, **pinned(cpus), **kwargs
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["failed"]
        raise RuntimeError(lines[-1][:200])
    return [float(word) for word in done.stdout.split()]


def measure(side: Side, case: Case, seconds: float) -> tuple[float, float]:
    """The figure, and the server's processor time per answer in µs (0: not measured)."""
    app = str(HERE / "apps" / case.app)
    server_cpus, load_cpus = processors()
    load = [sys.executable, str(HERE / "load.py")]
    where = {"env": side.environment, "cwd": str(HERE / "apps")}
    if case.kind == "program":
        return numbers_from([*side.command, app, *case.arguments], server_cpus, 120, **where)[0], 0
    port = free_port()
    if case.kind == "fetch":
        server = [sys.executable, str(HERE / "hello_server.py"), str(port)]
        with running(server, port, load_cpus):
            url = f"http://127.0.0.1:{port}/"
            command = [*side.command, app, url, *case.arguments]
            rate, cost = numbers_from(command, server_cpus, 120, **where)
            return rate, cost
    with running([*side.command, app, str(port)], port, server_cpus, **where) as pid:
        common = [str(port), case.path, str(case.connections)]
        if case.kind == "memory":
            command = [*load, "idle", *common, str(pid), *case.arguments]
            return numbers_from(command, load_cpus, 120)[0], 0
        if case.kind in ("websocket", "broadcast"):
            arguments = [case.kind, *common, str(seconds), str(case.size)]
        else:
            arguments = ["http", *common, str(seconds), *([case.form] if case.form else [])]
        before = processor_time(pid)
        rate, total = numbers_from([*load, *arguments], load_cpus, seconds * 3 + 30)
        if not total:
            raise RuntimeError("no answers")
        return rate, (processor_time(pid) - before) / total * 1e6


def ratio(case: Case, upstream: float, ours: float) -> float:
    """How many times better ours is."""
    return upstream / ours if case.lower_is_better else ours / upstream


def table(cases: list[Case], upstream: Side, ours: Side) -> str:
    head = f"{'case':24} {'upstream':>12} {'ours':>12}  {'unit':12} {'ratio':>6} {'cpu ratio':>10}"
    lines = [head, "-" * len(head)]
    for case in cases:
        row = f"{case.name:24}"
        values = []
        for side in (upstream, ours):
            found = side.results.get(case.name)
            row += f" {statistics.median(found):>12,.1f}" if found else f" {'failed':>12}"
            values.append(statistics.median(found) if found else None)
        row += f"  {case.unit:12}"
        if values[0] and values[1]:
            row += f" {ratio(case, values[0], values[1]):>6.2f}"
        costs = [statistics.median(side.costs.get(case.name, [0])) for side in (upstream, ours)]
        if all(costs):
            row += f" {costs[0] / costs[1]:>10.2f}"
        lines.append(row)
        both = (upstream, ours)
        failed = [side for side in both if case.name in side.errors]
        lines += [f"    {side.name}: {side.errors[case.name]}" for side in failed]
    return "\n".join(lines)


def ratios(cases: list[Case], upstream: Side, ours: Side) -> dict[str, float | None]:
    """How many times better ours is, by case: in processor time, or for memory in bytes."""
    found: dict[str, float | None] = dict.fromkeys(case.name for case in cases)
    for case in cases:
        if case.name in upstream.results and case.name in ours.results:
            costs = [statistics.median(side.costs[case.name]) for side in (upstream, ours)]
            values = [statistics.median(side.results[case.name]) for side in (upstream, ours)]
            # What a program prints is by its own processor time.
            found[case.name] = costs[0] / costs[1] if all(costs) else ratio(case, *values)
    return found


def named(words: list[str]) -> list[Case]:
    """The cases whose name holds one of the words; all without words."""
    return [case for case in CASES if not words or any(word in case.name for word in words)]


def compared(cases: list[Case], folder: Path, rounds: int, seconds: float) -> tuple[Side, Side]:
    """Tornado's side and ours, measured."""
    with tempfile.TemporaryDirectory() as compiled:
        both = sides(folder, compiled)
        run_rounds(cases, both, rounds, seconds)
    return both


def run_rounds(cases: list[Case], both: tuple[Side, Side], rounds: int, seconds: float) -> None:
    """Measure each case under both, in turns, into the sides' results."""
    for side in both:  # compiles what is imported
        program = [*side.command, str(HERE / "apps" / "first.py")]
        numbers_from(program, set(), 120, env=side.environment, cwd=str(HERE / "apps"))
    for number in range(rounds):
        for case in cases:
            for side in both if number % 2 == 0 else reversed(both):
                try:
                    value, cost = measure(side, case, seconds)
                except (RuntimeError, subprocess.TimeoutExpired, ValueError) as error:
                    side.errors[case.name] = str(error)
                    continue
                side.results.setdefault(case.name, []).append(value)
                side.costs.setdefault(case.name, []).append(cost)
                print(f"{number + 1} {case.name}: {side.name} {value:,.1f}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="per server measurement")
    parser.add_argument("--quick", action="store_true", help="one short round: under 2 minutes")
    parser.add_argument("--only", default="", help="cases whose name holds one of these words")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument(
        "--upstream",
        type=Path,
        default=ROOT / ".bench" / f"tornado-{UPSTREAM}",
        help="environment with upstream Tornado (made if missing), or its interpreter",
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.5
    words = [word.strip() for word in options.only.split(",") if word.strip()]
    cases = named(words)
    if not cases:
        print("no case of Tornado's is named", file=sys.stderr)
        return 0
    with contextlib.suppress(ValueError, OSError):  # then thousands of connections may fail
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    upstream, ours = compared(cases, options.upstream, options.rounds, options.seconds)
    python = platform.python_version()
    print(f"Python {python}, {options.rounds} rounds of {options.seconds} s, medians\n")
    print(table(cases, upstream, ours))
    if options.json:
        figures = {
            side.name: {"results": side.results, "cpu µs": side.costs} for side in (upstream, ours)
        }
        options.json.write_text(json.dumps({"python": python, **figures}, indent=1) + "\n")
    return 1 if upstream.errors or ours.errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
