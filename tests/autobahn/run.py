"""Run the Autobahn test suite against our server or client; exit status 1 if a case fails.

    python tests/autobahn/run.py server native            all cases, some 15 minutes
    python tests/autobahn/run.py client compat --quick    no limits and no compression sections
    python tests/autobahn/run.py server native --cases 12.1.* 13.1.*

The suite (`autobahntestsuite` on the package index) needs Python 2.7; the first run makes it a
home with pip:

    python2.7 -m pip install --target DIR autobahntestsuite

`--python2` (or $PYTHON2) names the interpreter, `--home` (or $AUTOBAHN_HOME) that DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
# 9: 16 MiB messages and timing; 12, 13: a thousand compressed messages per case.
SLOW = ["9.*", "12.*", "13.*"]
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            sys.exit(f"the server ended with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("nobody listens")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def complaint(python: str) -> str | None:
    """What is wrong with this interpreter; None: it is a Python 2.7 that runs."""
    command = [python, "-c", "import sys; print(sys.version.split()[0])"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode:
        return next(iter(done.stderr.splitlines()), f"it ended with status {done.returncode}")
    return None if done.stdout.startswith("2.7.") else f"it is Python {done.stdout.strip()}"


def python2(named: str | None) -> str:
    """A Python 2.7: the one that was named, or the first on the path that runs.

    The first that is there need not run: version managers put a program of every name on the
    path, which then says that no such version is chosen.
    """
    names = [named] if named else ["python2.7", "python2"]
    places = [None] if named else os.get_exec_path()
    found = (shutil.which(name, path=place) for name in names for place in places)
    wrong = []
    for python in dict.fromkeys(filter(None, found)):
        problem = complaint(python)
        if problem is None:
            return python
        wrong.append(f"    {python}: {problem}")
    lines = wrong or [f"    {' and '.join(names)}: not found"]
    sys.exit(
        "\n".join(
            [
                "the suite needs a Python 2.7 that runs:",
                *lines,
                "give one by --python2 FILE (make: PYTHON2=FILE in the environment)",
            ]
        )
    )


def suite(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """The command that starts the suite, and its environment."""
    python = python2(options.python2)
    home = Path(options.home)
    if not (home / "autobahntestsuite").exists():
        command = [python, "-m", "pip", "install", "--target", str(home), "autobahntestsuite"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
    # addsitedir reads the .pth files that make zope a namespace package.
    program = f"import site; site.addsitedir({str(home)!r})\n"
    program += "from autobahntestsuite import wstest; wstest.run()"
    return [python, "-c", program], {**os.environ, "PYTHONPATH": str(home)}


def run(options: argparse.Namespace, work: Path) -> dict[str, dict[str, str]]:
    """The verdicts, by case."""
    command, environment = suite(options)
    ours = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    port = free_port()
    agent = f"tornado_trio-{options.door}"
    spec: dict[str, object] = {
        "outdir": str(work / "reports"),
        "cases": options.cases,
        "exclude-cases": SLOW if options.quick else [],
        "exclude-agent-cases": {},
    }
    if options.side == "server":
        server = {"agent": agent, "url": f"ws://127.0.0.1:{port}"}
        spec["servers"] = [server]
        mode, other = "fuzzingclient", [str(HERE / "echo_server.py"), options.door, str(port)]
    else:
        spec["url"] = f"ws://127.0.0.1:{port}"
        mode = "fuzzingserver"
        other = [str(HERE / "echo_client.py"), options.door, f"ws://127.0.0.1:{port}", agent]
    (work / "spec.json").write_text(json.dumps(spec))
    command += ["--mode", mode, "--spec", str(work / "spec.json")]
    if mode == "fuzzingserver":
        command += ["--webport", "0"]
    wstest = (command, environment)
    tested = ([sys.executable, *other], ours)
    listening, driving = (tested, wstest) if options.side == "server" else (wstest, tested)
    with (work / "suite.log").open("wb") as log:
        background = subprocess.Popen(listening[0], env=listening[1], stdout=log, stderr=log)
        try:
            wait_for(port, background)
            subprocess.run(
                driving[0], env=driving[1], stdout=log, stderr=log, timeout=options.timeout
            )
        except subprocess.TimeoutExpired:
            print(f"stopped after {options.timeout} seconds")
        finally:
            stop(background)
    report = work / "reports" / "index.json"
    if not report.exists():
        sys.exit((work / "suite.log").read_text()[-3000:])
    verdicts: dict[str, dict[str, str]] = json.loads(report.read_text())[agent]
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("side", choices=["server", "client"])
    parser.add_argument("door", choices=["native", "compat"])
    parser.add_argument("--cases", nargs="*", default=["*"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--timeout", type=float, default=1800)
    parser.add_argument("--python2", default=os.environ.get("PYTHON2"))
    default = Path(tempfile.gettempdir()) / "autobahntestsuite-py27"
    parser.add_argument("--home", default=os.environ.get("AUTOBAHN_HOME", str(default)))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        verdicts = run(options, Path(work))
    failed = {
        case: verdict
        for case, verdict in verdicts.items()
        if verdict["behavior"] not in GOOD or verdict["behaviorClose"] not in GOOD
    }
    for case, verdict in sorted(failed.items()):
        print(case, verdict["behavior"], verdict["behaviorClose"])
    for case, verdict in sorted(verdicts.items()):
        if options.verbose and verdict["behavior"] == "NON-STRICT":
            print(case, "non-strict")
    soft = sum(verdict["behavior"] == "NON-STRICT" for verdict in verdicts.values())
    print(f"{len(verdicts)} cases, {len(failed)} failed, {soft} non-strict")
    return 1 if failed or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
