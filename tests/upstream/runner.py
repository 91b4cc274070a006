"""Runs the modules of a suite, each in processes of its own, and collects the outcomes.

Outcomes: pass, fail, error, timeout (the test took too long), notrun (its module did),
skip, and excluded (set aside by the data file).
"""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite import HERE, Knowledge, short

COUNTED = ("pass", "fail", "error", "timeout", "notrun")


@dataclass
class ModuleResult:
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str | None = None
    # Names that the module imports from tornado and that are not there.
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Run:
    """One child process: its events, and why it ended."""

    events: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""  # done, crash, stuck (no event for too long) or deadline
    status: int | None = None
    tail: str = ""  # of its output

    def first(self, kind: str) -> dict[str, Any]:
        return next((event for event in self.events if event["event"] == kind), {})


def tally(tests: dict[str, dict[str, Any]]) -> dict[str, int]:
    counts = dict.fromkeys((*COUNTED, "skip", "excluded"), 0)
    for test in tests.values():
        counts[test["outcome"]] += 1
    return counts


class Runner:
    def __init__(self, opts: Any, suite: Path, known: Knowledge) -> None:
        self.opts = opts
        self.known = known
        self.tmp = Path(tempfile.mkdtemp(prefix="upstream-"))
        self.counter = 0
        self.lock = threading.Lock()
        self.package: dict[str, Any] = {}
        self.env = self._environment(suite)

    def _environment(self, suite: Path) -> dict[str, str]:
        """Makes every Python process, also those that tests start, serve the suite."""
        site = self.tmp / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(
            f"import sys\nsys.path.append({str(HERE)!r})\n"
            "import upstream_boot\nupstream_boot.boot()\n"
        )
        boot = self.tmp / "boot.json"
        path = [os.path.abspath(folder) for folder in self.opts.path]
        boot.write_text(
            json.dumps(
                {
                    "suite": str(suite),
                    "setup": self.opts.setup,
                    "shims": not self.opts.no_shims,
                    "path": path,
                    "lenient_imports": not self.opts.strict_imports,
                }
            )
        )
        env = dict(os.environ)
        inherited = [entry for entry in env.get("PYTHONPATH", "").split(os.pathsep) if entry]
        env["PYTHONPATH"] = os.pathsep.join([str(site), *path, os.getcwd(), *inherited])
        env["UPSTREAM_BOOT"] = str(boot)
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        env.setdefault("NO_NETWORK", "1")
        env.setdefault("PYTHONHASHSEED", "0")
        env.setdefault("HYPOTHESIS_PROFILE", "tornado-quick")
        if self.opts.generation:
            env["TORNADO_TRIO_GENERATION"] = self.opts.generation
        if self.opts.async_timeout:
            env["ASYNC_TEST_TIMEOUT"] = str(self.opts.async_timeout)
        return env

    def run_all(self, modules: list[str]) -> dict[str, ModuleResult]:
        results: dict[str, ModuleResult] = {}
        work: queue.SimpleQueue[str] = queue.SimpleQueue()
        for module in modules:
            work.put(module)

        def loop() -> None:
            while True:
                try:
                    module = work.get_nowait()
                except queue.Empty:
                    return
                result = results[module] = self.run_module(module)
                if self.opts.progress:
                    counts = tally(result.tests)
                    total = sum(counts[kind] for kind in COUNTED)
                    line = f"{short(module):26} {counts['pass']}/{total} {result.seconds:.0f}s"
                    print(line, file=sys.stderr, flush=True)

        threads = [threading.Thread(target=loop) for _ in range(max(1, self.opts.jobs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        shutil.rmtree(self.tmp, ignore_errors=True)
        return {module: results[module] for module in modules if module in results}

    def run_module(self, module: str) -> ModuleResult:
        started = time.time()
        deadline = started + self.opts.timeout if self.opts.timeout else None
        result = ModuleResult()
        excluded = {} if self.opts.include_excluded else self.known.excluded_in(module)
        known = list(self.known.baseline.get(module, ())) or ["<module>"]
        if "*" in excluded:
            for test in known:
                result.tests[test] = {"outcome": "excluded", "detail": excluded["*"]}
            return result
        listing = self._run_child(module, None, deadline)
        self.package = listing.first("package") or self.package
        result.missing = listing.first("missing").get("names", [])
        ids = listing.first("tests").get("ids")
        if ids is None:
            result.error = listing.first("import-error").get("detail") or (
                f"could not load ({listing.why}, status {listing.status})\n{listing.tail}"
            )
            for test in known:
                result.tests[test] = (
                    {"outcome": "excluded", "detail": excluded[test]}
                    if test in excluded
                    else {"outcome": "error", "detail": "module does not import"}
                )
        else:
            found: dict[str, dict[str, Any]] = {}
            for group in self._choose(ids, excluded, found):
                self._run_group(module, group, found, deadline)
            result.tests = {test: found[test] for test in ids if test in found}
        result.seconds = round(time.time() - started, 1)
        return result

    def _choose(
        self, ids: list[str], excluded: dict[str, str], tests: dict[str, dict[str, Any]]
    ) -> list[list[str]]:
        """The tests to run, in groups that share a process; the excluded go into `tests`."""
        wanted: list[str] = []
        for test in ids:
            if self.opts.match and not any(text in test for text in self.opts.match):
                continue
            owner = test.rpartition(".")[0]
            reason = excluded.get(test) or excluded.get(f"{owner}.*")
            if reason:
                tests[test] = {"outcome": "excluded", "detail": reason}
            else:
                wanted.append(test)
        if not self.opts.per_class:
            return [wanted] if wanted else []
        groups: dict[str, list[str]] = {}
        for test in wanted:
            groups.setdefault(test.rpartition(".")[0], []).append(test)
        return list(groups.values())

    def _run_group(
        self,
        module: str,
        group: list[str],
        tests: dict[str, dict[str, Any]],
        deadline: float | None,
    ) -> None:
        """Run until each test of the group has an outcome, in as many processes as it takes."""
        left = list(group)
        stalled = False
        while left:
            if deadline and time.time() > deadline:
                for test in left:
                    tests[test] = {"outcome": "notrun", "detail": "module time limit"}
                return
            run = self._run_child(module, left, deadline)
            progress = _collect(run, tests)
            left = [test for test in left if test not in tests]
            if run.why != "done" and progress:
                continue
            for test in left:
                # Its class or module fixture failed, or it never ran.
                fixture = _fixture_for(test, run.events)
                if fixture:
                    detail = f"fixture: {fixture['detail'] or ''}"
                    tests[test] = {"outcome": fixture["outcome"], "detail": detail}
                elif run.why == "done" or stalled:
                    tests[test] = {"outcome": "error", "detail": f"did not run\n{run.tail}"}
            stalled = True
            left = [test for test in left if test not in tests]

    def _run_child(self, module: str, only: list[str] | None, deadline: float | None) -> Run:
        """One process; without `only` it just lists the tests."""
        with self.lock:
            self.counter += 1
            base = self.tmp / f"job{self.counter}"
        (base / "cwd").mkdir(parents=True)
        events = base / "events"
        events.touch()
        job = {
            "module": module,
            "only": only,
            "out": str(events),
            "warnings": self.opts.warnings,
            "test_timeout": self.opts.test_timeout,
            "detail": self.opts.detail,
        }
        (base / "job.json").write_text(json.dumps(job))
        log = base / "log"
        if self.opts.logs:
            log = Path(self.opts.logs) / f"{short(module)}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [self.opts.python, str(HERE / "child.py"), str(base / "job.json")],
                cwd=base / "cwd",
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        over = {"import-error", "tests" if only is None else "done"}
        run = self._follow(process, events, over, deadline)
        if run.why in ("crash", "stuck"):
            run.tail = log.read_bytes()[-2500:].decode("utf-8", "replace")
        return run

    def _follow(
        self,
        process: subprocess.Popen[bytes],
        path: Path,
        over: set[str],
        deadline: float | None,
    ) -> Run:
        """Read the events of a process until it ends or is ended."""
        run = Run()
        buffer = b""
        last = time.time()
        patience = (self.opts.test_timeout or 600) + 15
        try:
            with path.open("rb") as file:
                while True:
                    ended = process.poll() is not None
                    data = file.read()
                    if data:
                        *lines, buffer = (buffer + data).split(b"\n")
                        run.events += [json.loads(line) for line in lines if line]
                        last = time.time()
                    if ended:
                        break
                    if deadline and time.time() > deadline:
                        run.why = "deadline"
                    elif time.time() - last > patience:
                        run.why = "stuck"
                    if run.why:
                        _kill(process)
                    else:
                        time.sleep(0.05)
        finally:
            _kill(process)
        if not run.why:
            run.why = "done" if any(e["event"] in over for e in run.events) else "crash"
        run.status = process.returncode
        return run


def _collect(run: Run, tests: dict[str, dict[str, Any]]) -> bool:
    """Take the outcomes of a process over into `tests`; False if there are none."""
    current, progress = None, False
    for event in run.events:
        if event["event"] == "start":
            current = event["id"]
        elif event["event"] == "end":
            progress = True
            tests[event["id"]] = {"outcome": event["outcome"], "seconds": event["seconds"]}
            if event.get("detail"):
                tests[event["id"]]["detail"] = event["detail"]
            if event["id"] == current:
                current = None
        elif event["event"] == "import-error":
            run.tail = event["detail"]
    if current is not None and current not in tests:
        progress = True
        if run.why in ("stuck", "deadline"):
            tests[current] = {"outcome": "timeout", "detail": f"no result ({run.why})"}
        else:
            detail = f"{run.tail}\nprocess ended with status {run.status}"
            tests[current] = {"outcome": "error", "detail": detail}
    return progress


def _fixture_for(test: str, events: list[dict[str, Any]]) -> dict[str, Any] | None:
    for event in events:
        if event["event"] == "fixture":
            match = re.match(r"setUp(Class|Module) \((.*)\)", event["id"])
            if match and (match[1] == "Module" or test.startswith(match[2] + ".")):
                return event
    return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process (with a dump of its stacks, if it can) and what it started."""
    for number, patience in ((signal.SIGABRT, 3), (signal.SIGKILL, 5)):
        if process.poll() is None:
            try:
                os.kill(process.pid, number)
                process.wait(patience)
            except (OSError, subprocess.TimeoutExpired):
                continue  # gone by itself, or the next signal is for it
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        return  # nothing of its group is left
