"""The whole benchmark: this project beside Tornado and other servers.

    python benchmarks/side_by_side.py --python PEERS/bin/python [--only hello,routes] [--quick]
                                      [--rounds 3] [--seconds 1] [--data FILE]

PEERS is an environment with `peers/requirements.txt` (`make bench` makes one and runs this). First
Tornado's own programs (`cases.py`) on compat and on Tornado; then all stacks with the same small
programs (`peers/`): a text; JSON of path and query; a posted JSON body of 20 objects, sent back;
websocket messages of 100 B, sent back.

Sections, for `--only`: those of `measurements.SECTIONS`; other words pick cases of the first three.
Instructions are counted by valgrind where it is installed: in user space only, but on a busy
machine too. Processor time includes the kernel, is measured in turns, and needs a quiet machine.
A whole run, which names nothing, is written to docs/speed.json with its commands, day and load, and
`speed_report.py` makes tables and charts of it, README's too: so they are all of one run. Anything
less only shows its figures, or puts them into `--data`.
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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import speed_report
from cases import Case
from compare import named
from measurements import AVAILABLE, CASES, SECTIONS, Plan, processors
from stacks import ROOT, STACKS

#: What is counted, not timed.
NO_TIME = ("instructions", "idle", "ends")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What `--only` names."""

    sections: list[str]
    cases: list[str]
    against: list[Case]  # of the section `tornado`


def chosen(words: list[str]) -> Chosen:
    """By name of a section, else by cases."""
    sections = [name for name in SECTIONS if name in words]
    others = [word for word in words if word not in SECTIONS]
    cases = [case for case in CASES if case in others]
    against = named(others)
    if not words:
        sections = list(SECTIONS)
    elif not sections:
        sections = ["tornado"] if against else []
        sections += ["instructions", "requests"] if cases else []
    return Chosen(sections, cases or list(CASES), against)


def measured(name: str, plan: Plan, how: str, run: str) -> dict[str, Any]:
    """A section's table, with what is needed to judge and repeat it."""
    section = SECTIONS[name]
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    columns, rows = section.measure(plan)
    note = "other work on the machine hardly changes it; user space only"
    if name not in NO_TIME:
        length = f"rounds: {plan.rounds}, of {plan.seconds:g} s"
        note = f"{length}, load of the machine {busy:.0f} on {os.cpu_count()} processors"
    elif name == "idle":
        note = "memory that the process alone holds"
    elif name == "ends":
        note = "a Tornado program whose loop ends at the signal; compat with `--drain`"
    return {
        "title": section.title,
        "unit": section.unit,
        "curve": section.curve,
        "run": run,
        "day": run.partition("T")[0],
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
    others = [word for word in options.only.split(",") if word and word not in SECTIONS]
    words = ["--only " + ",".join([section, *others])]
    words += [f"--stacks {options.stacks}"] if options.stacks else []
    if options.quick:
        words.append("--quick")
    elif section not in NO_TIME:
        words.append(f"--rounds {options.rounds} --seconds {options.seconds:g}")
    return f'make bench ARGS="{" ".join(words)}"'


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="that has the peers")
    parser.add_argument("--only", default="", help="sections and cases")
    parser.add_argument("--stacks", default="", help="servers whose name holds one of these words")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=len(AVAILABLE) or 1, help="valgrinds at a time")
    parser.add_argument("--quick", action="store_true", help="one short round of little")
    parser.add_argument("--data", type=Path, help="put the figures in there")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.3
    return options


def main() -> int:
    options = parse()
    found = chosen([word.strip() for word in options.only.split(",") if word.strip()])
    if not found.sections:
        print("--only names no section and no case", file=sys.stderr)
        return 2
    if "instructions" in found.sections and not shutil.which("valgrind"):
        print("valgrind is not installed: no instructions are counted", file=sys.stderr)
        found.sections.remove("instructions")
    words = [word.strip().lower() for word in options.stacks.split(",")]
    stacks = [stack for stack in STACKS if any(word in stack.name.lower() for word in words)]
    python = str(Path(options.python).absolute())
    plan = Plan(python, found.cases, stacks, options.rounds, options.seconds, options.quick)
    plan.against, plan.jobs = found.against, options.jobs
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    socket.setdefaulttimeout(120)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are ended
    whole = found.sections == list(SECTIONS) and not (options.only or options.stacks)
    whole = whole and not options.quick
    data = json.loads(options.data.read_text()) if options.data and options.data.exists() else {}
    run = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
    for name in found.sections:
        # These use all processors, or choose their own.
        free = name in ("instructions", "workers", "tornado", "ends")
        os.sched_setaffinity(0, AVAILABLE if free else processors()[1])
        data[name] = measured(name, plan, command(options, name), run)
        print(speed_report.table(data[name]) + "\n", flush=True)
        if options.data:
            options.data.write_text(written(data))
    if whole:
        speed_report.DATA.write_text(written(data))
        speed_report.write(ROOT)
    return 0


def written(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
