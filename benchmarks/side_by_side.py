"""This project beside other servers: instructions, processor time, and curves as load grows.

    python benchmarks/side_by_side.py --python PEERS/bin/python [--only hello,routes] [--quick]
                                      [--rounds 3] [--seconds 1] [--data FILE]

PEERS is an environment with `peers/requirements.txt` (`make bench` makes one). All stacks run the
same small programs (`peers/`): a text; JSON of path and query; a posted JSON body of 20 objects,
sent back; websocket messages of 100 B, sent back.

Sections, for `--only`: instructions, requests, connections, routes, bodies, idle, workers,
engines; `hello`, `json`, `echo`, `websocket` pick cases of the first two. Instructions are counted
by valgrind where it is installed: in user space only, but on a busy machine too. Processor time
includes the kernel, is measured in turns, and needs a quiet machine. Each section is written to
the data file (docs/speed.json) with its command, day and load; then `speed_report.py` makes
table and charts.
`--quick` shows figures and writes them only where `--data` says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import speed_report
from measurements import AVAILABLE, CASES, SECTIONS, Plan, processors
from stacks import ROOT, STACKS


def chosen(words: list[str]) -> tuple[list[str], list[str]]:
    """The sections and cases that `--only` names; without a section, the first two."""
    cases = [case for case in CASES if case in words]
    sections = [name for name in SECTIONS if name in words]
    if not words:
        sections = list(SECTIONS)
    elif cases and not sections:
        sections = ["instructions", "requests"]
    return sections, cases or list(CASES)


def measured(name: str, plan: Plan, how: str) -> dict[str, Any]:
    """A section's table, with what is needed to judge and repeat it."""
    section = SECTIONS[name]
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    columns, rows = section.measure(plan)
    note = "other work on the machine hardly changes it; user space only"
    if name not in ("instructions", "idle"):
        length = f"rounds: {plan.rounds}, of {plan.seconds:g} s"
        note = f"{length}, load of the machine {busy:.0f} on {os.cpu_count()} processors"
    elif name == "idle":
        note = "memory that the process alone holds"
    return {
        "title": section.title,
        "unit": section.unit,
        "curve": section.curve,
        "day": date.today().isoformat(),
        "python": platform.python_version(),
        "how": how,
        "note": note,
        "versions": versions(plan.python),
        "columns": columns,
        "rows": {
            row: [None if value is None else round(value, 2) for value in values]
            for row, values in rows.items()
            if any(value is not None for value in values)
        },
    }


def versions(python: str) -> str:
    """Of the peers that are installed there."""
    program = (
        "from importlib.metadata import version, PackageNotFoundError\n"
        "for name in ('tornado', 'uvicorn', 'starlette', 'fastapi', 'aiohttp', 'hypercorn', "
        "'quart-trio', 'trio'):\n"
        "    try: print(name, version(name))\n"
        "    except PackageNotFoundError: pass\n"
    )
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    return ", ".join(done.stdout.split("\n")[:-1])


def command(options: argparse.Namespace, section: str) -> str:
    """What measures this section again."""
    words = ["python benchmarks/side_by_side.py --python PEERS --only", section]
    words[-1] += "".join(f",{case}" for case in CASES if case in options.only.split(","))
    words += [f"--stacks {options.stacks}"] if options.stacks else []
    if options.quick:
        words.append("--quick")
    elif section not in ("instructions", "idle"):
        words.append(f"--rounds {options.rounds} --seconds {options.seconds:g}")
    return " ".join(words)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="that has the peers")
    parser.add_argument("--only", default="", help="sections and cases")
    parser.add_argument("--stacks", default="", help="servers whose name holds one of these words")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=len(AVAILABLE), help="valgrinds at a time")
    parser.add_argument("--quick", action="store_true", help="one short round of little")
    parser.add_argument("--data", type=Path, help="the data file; docs/speed.json")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.3
    elif options.data is None:
        options.data = speed_report.DATA
    return options


def main() -> int:
    options = parse()
    sections, cases = chosen([word.strip() for word in options.only.split(",") if word.strip()])
    if not shutil.which("valgrind") and "instructions" in sections:
        print("valgrind is not installed: no instructions are counted", file=sys.stderr)
        sections.remove("instructions")
    words = [word.strip().lower() for word in options.stacks.split(",")]
    stacks = [stack for stack in STACKS if any(word in stack.name.lower() for word in words)]
    python = str(Path(options.python).absolute())
    plan = Plan(python, cases, stacks, options.rounds, options.seconds, options.quick)
    plan.jobs = options.jobs
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    socket.setdefaulttimeout(120)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are ended
    for name in sections:
        alone = name in ("instructions", "workers")  # these use all processors
        os.sched_setaffinity(0, AVAILABLE if alone else processors()[1])
        how = command(options, name)
        table = measured(name, plan, how)
        print(speed_report.table(table) + "\n", flush=True)
        if options.data:
            data = json.loads(options.data.read_text()) if options.data.exists() else {}
            data[name] = table
            options.data.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    if options.data == speed_report.DATA and sections:
        speed_report.write(ROOT)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
