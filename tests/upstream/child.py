"""One process of a run: runs tests of one module, writing a JSON line per event.

    child.py JOB.json

Events: loading, package, import-error, missing, tests, start, end, fixture, done. A test
that takes longer than the limit ends the process (status 17): the parent goes on after it
with a new one. Tests are told apart by the names that the suite's own runner prints.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import sys
import time
import traceback
import types
import unittest
import warnings
from collections.abc import Iterator
from typing import Any

import upstream_boot

RANK = {"pass": 0, "skip": 1, "fail": 2, "error": 3}


class Reporter:
    """Writes events; only from the process that made it, not from forks of it."""

    def __init__(self, path: str) -> None:
        self.out = open(path, "a", buffering=1)  # open until the process ends
        self.pid = os.getpid()

    @property
    def main_process(self) -> bool:
        return os.getpid() == self.pid

    def emit(self, **event: Any) -> None:
        if self.main_process:
            self.out.write(json.dumps(event) + "\n")
            self.out.flush()


class Names:
    """Ids of tests. Classes that a function of the suite makes share one qualified name:
    they go by the name that the module gives them."""

    def __init__(self, module: str) -> None:
        self.module = module
        members = vars(sys.modules[module]) if module in sys.modules else {}
        self.local = {
            value: name
            for name, value in members.items()
            if isinstance(value, type) and "<locals>" in value.__qualname__
        }

    def of(self, test: Any) -> str:
        name = self.local.get(type(test))
        if name:
            return f"{self.module}.{name}.{test._testMethodName}"
        return str(test.id())


class Result(unittest.TestResult):
    """Reports each test, and watches the time it takes."""

    def __init__(self, reporter: Reporter, names: Names, *, limit: float, detail: int) -> None:
        super().__init__()
        self.reporter = reporter
        self.names = names
        self.limit = limit
        self.detail_length = detail
        self.current: str | None = None
        self.started = 0.0
        self.outcome: str | None = None
        self.detail: str | None = None

    def note(self, outcome: str, detail: str | None = None) -> None:
        if self.outcome is None or RANK[outcome] > RANK[self.outcome]:
            self.outcome, self.detail = outcome, detail

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self.outcome = self.detail = None
        self.current, self.started = self.names.of(test), time.time()
        self.reporter.emit(event="start", id=self.current)
        sys.stderr.write(f"=== {self.current}\n")
        self._arm()

    def stopTest(self, test: Any) -> None:
        if self.limit:
            signal.setitimer(signal.ITIMER_REAL, 0)
        super().stopTest(test)
        if self.current is not None:  # None: skipped without a start (3.12.1)
            self._end(self.outcome or "error", self.detail)
            self.current = None

    def _end(self, outcome: str, detail: str | None) -> None:
        seconds = round(time.time() - self.started, 3)
        self.reporter.emit(
            event="end", id=self.current, outcome=outcome, seconds=seconds, detail=detail
        )

    def _arm(self) -> None:
        if self.limit:
            signal.signal(signal.SIGALRM, self._on_alarm)
            signal.setitimer(signal.ITIMER_REAL, self.limit)

    def _on_alarm(self, signum: int, frame: types.FrameType | None) -> None:
        if not self.reporter.main_process:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGALRM)
            return
        stack = "".join(traceback.format_stack(frame)[-12:])
        self._end("timeout", f"no result in {self.limit:g} s; stack:\n{stack}")
        sys.stderr.write(f"{self.current} timed out\n")
        faulthandler.dump_traceback(all_threads=True)
        os._exit(17)

    def _format(self, err: Any, test: Any) -> str:
        text: str = self._exc_info_to_string(err, test)  # type: ignore[attr-defined]
        sys.stderr.write(text)
        return text[-self.detail_length :]

    def addSuccess(self, test: Any) -> None:
        self.note("pass")

    def addFailure(self, test: Any, err: Any) -> None:
        self.note("fail", self._format(err, test))

    def addError(self, test: Any, err: Any) -> None:
        detail = self._format(err, test)
        if self.current is None:
            self.reporter.emit(event="fixture", id=str(test.id()), outcome="error", detail=detail)
        else:
            self.note("error", detail)

    def addSkip(self, test: Any, reason: str) -> None:
        if self.current is not None:
            self.note("skip", str(reason))
        elif hasattr(test, "_testMethodName") or hasattr(test, "runTest"):
            self.started = time.time()
            self.current = self.names.of(test)
            self._end("skip", str(reason))
            self.current = None
        else:  # a class or module fixture
            self.reporter.emit(
                event="fixture", id=str(test.id()), outcome="skip", detail=str(reason)
            )

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        self.note("pass", "expected failure")

    def addUnexpectedSuccess(self, test: Any) -> None:
        self.note("fail", "unexpected success")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            kind = "fail" if issubclass(err[0], test.failureException) else "error"
            self.note(kind, f"{subtest}\n{self._format(err, test)}")


def flatten(suite: Any) -> Iterator[Any]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def set_warnings(mode: str) -> None:
    """As upstream's runtests.py does (strict), or without turning warnings into errors."""
    quiet = (DeprecationWarning, PendingDeprecationWarning)
    if mode == "strict":
        warnings.filterwarnings("error")
        warnings.filterwarnings("ignore", category=ImportWarning)
        for category in quiet:
            warnings.filterwarnings("ignore", category=category)
            warnings.filterwarnings("error", category=category, module=r"tornado\..*")
        warnings.filterwarnings("ignore", category=DeprecationWarning, message="Please use assert")
    else:
        warnings.simplefilter("default")
        for category in (ImportWarning, *quiet):
            warnings.filterwarnings("ignore", category=category)


def set_logging() -> None:
    """As tornado.testing.main does by way of the option parser."""
    logging.getLogger().setLevel(logging.INFO)
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO)
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)


def load(module: str, reporter: Reporter) -> list[Any] | None:
    """The tests of a module, or None after an import-error event."""
    if upstream_boot.error:
        reporter.emit(event="import-error", detail=upstream_boot.error[-3000:])
        return None
    try:
        import tornado

        upstream_boot.attach(tornado)
        reporter.emit(
            event="package",
            file=getattr(tornado, "__file__", None),
            version=str(getattr(tornado, "version", None)),
            python=sys.version.split()[0],
        )
        suite = unittest.defaultTestLoader.loadTestsFromName(module)
    except BaseException:
        reporter.emit(event="import-error", detail=traceback.format_exc()[-3000:])
        return None
    tests, seen, names = [], set(), Names(module)
    for test in flatten(suite):
        kind = type(test).__name__
        if kind in ("_FailedTest", "ModuleImportFailure"):
            detail = str(getattr(test, "_exception", ""))
            reporter.emit(event="import-error", detail=detail[-3000:])
            return None
        # Tests of abstract bases (see abstract_base_test in the suite) do not count.
        if kind != "AbstractBaseWrapper" and names.of(test) not in seen:
            seen.add(names.of(test))
            tests.append(test)
    return tests


def run(job_path: str) -> int:
    upstream_boot.boot()
    with open(job_path) as file:
        job = json.load(file)
    reporter = Reporter(job["out"])
    faulthandler.enable()
    set_warnings(job["warnings"])
    set_logging()
    reporter.emit(event="loading")
    tests = load(job["module"], reporter)
    if tests is None:
        return 3
    names = Names(job["module"])
    reporter.emit(event="missing", names=upstream_boot.missing)
    reporter.emit(event="tests", ids=[names.of(test) for test in tests])
    if job["only"] is None:
        return 0
    only = set(job["only"])
    chosen = [test for test in tests if names.of(test) in only]
    result = Result(reporter, names, limit=job["test_timeout"], detail=job["detail"])
    unittest.TestSuite(chosen).run(result)
    reporter.emit(event="done")
    return 0


if __name__ == "__main__":
    status = run(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that tests left behind must not keep the process.
    os._exit(status)
