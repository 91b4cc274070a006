#!/usr/bin/env python3
"""Run an upstream Tornado test suite against the overlay (or any `tornado`).

    run.py 6.6.1 --jobs 2
    run.py 5.1.1 --module web_test,gen_test --baseline
    run.py 6.6.1 --module iostream_test --match test_read_until -vv

The suite is served as `tornado.test` on top of the package that `import tornado` gives
with --path in front of sys.path, after --setup has run; so is it, with stand-ins for what
newer Pythons removed, in every Python process that a test starts (see upstream_boot.py).
Each test module runs in processes of its own (see runner.py).

A name that a suite module imports and our package lacks does not fail the module
(--strict-imports makes it so): the tests that use it fail, and the names are listed.

The last line reads `upstream 6.6.1: PASS/TOTAL passed, SKIP skipped (xx.x%)`; TOTAL leaves
out the skipped and the excluded. Exit status 1 if a test fails that is not listed in
data/expected-failures-VERSION.txt (or one listed there passes: take it out).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from runner import COUNTED, ModuleResult, Runner, tally
from suite import (
    DEFAULT_CACHE,
    HERE,
    Knowledge,
    expected_failures_file,
    fetch_suite,
    short,
    suite_modules,
)

BAD = ("fail", "error", "timeout", "notrun")
NO_IMPORT = "module does not import"


def parse_args() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("version", help="upstream release: 6.6.1, 5.1.1 or 4.5.3")
    add("--setup", help="python code run first in every process")
    add("--path", action="append", help="folder to put on sys.path (default: the overlay)")
    add("--installed", action="store_true", help="test the installed tornado instead")
    add("--module", help="modules, comma separated (web_test or web)")
    add("--match", action="append", help="only tests whose id contains this (repeatable)")
    add("--jobs", type=int, default=1)
    add("--python", default=sys.executable, help="interpreter to run the tests with")
    add("--cache", default=DEFAULT_CACHE)
    add("--timeout", type=float, default=300, help="seconds per module; 0 for none")
    add("--test-timeout", type=float, default=20, help="seconds per test; 0 for none")
    add("--generation", help="TORNADO_TRIO_GENERATION: the release that the overlay answers for")
    add("--async-timeout", type=float, help="ASYNC_TEST_TIMEOUT of the tests")
    add("--per-class", action="store_true", help="one process per TestCase class")
    add("--warnings", choices=("strict", "lenient"), default="lenient")
    add("--no-shims", action="store_true", help="no stand-ins for removed stdlib names")
    add("--strict-imports", action="store_true")
    add("--include-excluded", action="store_true")
    add("--json", help="write the results here")
    add("--baseline", action="store_true", help="list what the real release passes and we do not")
    add("--expect", action="store_true", help="compare with the expected failures (exit status)")
    add("--write-expected", action="store_true", help="write the expected failures anew")
    add("--logs", help="folder for the output of the test processes")
    add("--detail", type=int, default=1500, help="characters kept of each failure")
    add("--progress", action="store_true")
    add("-v", "--verbose", action="count", default=0)
    opts = parser.parse_args()
    if opts.path is None:
        opts.path = [] if opts.installed else [str(HERE.parent.parent / "compat")]
    if opts.logs:
        opts.logs = os.path.abspath(opts.logs)
        os.makedirs(opts.logs, exist_ok=True)
    return opts


def choose(modules: list[str], wanted: str | None) -> list[str]:
    if not wanted:
        return modules
    names = {name.strip().removesuffix("_test") for name in wanted.split(",")}
    chosen = [m for m in modules if short(m).removesuffix("_test") in names or m in names]
    if not chosen:
        raise SystemExit(f"no such module in the suite: {wanted}")
    return chosen


def first_line(text: str | None, *, last: bool = False) -> str:
    lines = [line.strip() for line in (text or "").splitlines() if line.strip(" ^~")]
    if not lines:
        return ""
    if last or lines[0].startswith(("Traceback", "Failed to import")):
        return lines[-1][:160]
    return lines[0][:160]


def print_results(results: dict[str, ModuleResult], verbose: int) -> None:
    names = ("total", "pass", "fail", "error", "timeout", "notrun", "skip", "excluded")
    print(f"{'module':26}" + "".join(f"{name:>9}" for name in names) + "      sec")
    for module, result in results.items():
        counts = tally(result.tests)
        counts["total"] = sum(counts[kind] for kind in COUNTED)
        row = "".join(f"{counts[name]:>9}" for name in names)
        error = f"  {first_line(result.error)}" if result.error else ""
        print(f"{short(module):26}{row}{result.seconds:9.1f}{error}")
    for module, result in results.items():
        if result.missing:
            print(f"{short(module)} imports what is not there: {', '.join(result.missing)}")
    for result in results.values():
        for test, outcome in result.tests.items():
            print_test(test, outcome, verbose)


def print_test(test: str, outcome: dict[str, Any], verbose: int) -> None:
    kind, detail = outcome["outcome"], outcome.get("detail") or ""
    if kind in BAD and (verbose or (kind != "notrun" and detail != NO_IMPORT)):
        print(f"{kind:7} {short(test)}: {first_line(detail, last=True)}")
        if verbose > 1 and detail:
            print("    " + detail.rstrip().replace("\n", "\n    "))
    elif kind in ("skip", "excluded") and verbose:
        print(f"{kind:8} {short(test)}: {detail}")


def compare_baseline(results: dict[str, ModuleResult], known: Knowledge) -> None:
    """List the tests that the real release passes and this run does not."""
    worse, skipped = 0, 0
    for module, result in results.items():
        for test, before in known.baseline.get(module, {}).items():
            now = result.tests.get(test, {"outcome": "absent"})
            if before != "pass" or now["outcome"] in ("pass", "excluded"):
                continue
            if now["outcome"] == "skip":
                skipped += 1
            else:
                worse += 1
                print(f"  {now['outcome']:8} {short(test)}")
    print(f"baseline: {worse} tests pass there and not here, {skipped} more are skipped here")


def compare_expected(results: dict[str, ModuleResult], known: Knowledge) -> bool:
    """Whether exactly the expected tests failed."""
    as_expected = True
    for result in results.values():
        for test, outcome in result.tests.items():
            failed = outcome["outcome"] in BAD
            if failed and test not in known.expected_failures:
                print(f"unexpected {outcome['outcome']}: {short(test)}")
                as_expected = False
            elif outcome["outcome"] == "pass" and test in known.expected_failures:
                print(f"passes, but is listed as failing: {short(test)}")
                as_expected = False
    return as_expected


def write_expected(version: str, results: dict[str, ModuleResult], known: Knowledge) -> None:
    """Keep the reasons of what still fails; the rest gets the error as a first hint."""
    lines = []
    for result in results.values():
        for test, outcome in result.tests.items():
            if outcome["outcome"] in BAD:
                hint = first_line(outcome.get("detail"), last=True)
                reason = known.expected_failures.get(test) or f"{outcome['outcome']}: {hint}"
                lines.append(f"{short(test)}  # {reason}".rstrip())
    expected_failures_file(version).write_text("".join(f"{line}\n" for line in sorted(lines)))


def second_try(
    opts: Any, suite: Path, known: Knowledge, results: dict[str, ModuleResult]
) -> None:
    """Run modules with unexpected failures once more, one at a time; name what passes then.

    Many of upstream's tests wait for hundredths of a second, which a busy machine swallows.
    """
    bad = {
        module: [
            test
            for test, outcome in result.tests.items()
            if outcome["outcome"] in BAD and test not in known.expected_failures
        ]
        for module, result in results.items()
    }
    modules = [module for module, tests in bad.items() if tests]
    if not modules:
        return
    opts.jobs = 1
    again = Runner(opts, suite, known).run_all(modules)
    for module in modules:
        for test in bad[module]:
            outcome = again[module].tests.get(test)
            if outcome is not None and outcome["outcome"] == "pass":
                print(f"passes at the second try: {short(test)}")
                results[module].tests[test] = outcome


def main() -> int:
    opts = parse_args()
    cache = Path(opts.cache).absolute()
    cache.mkdir(parents=True, exist_ok=True)
    suite = fetch_suite(opts.version, cache)
    known = Knowledge.load(opts.version)
    started = time.time()
    runner = Runner(opts, suite, known)
    results = runner.run_all(choose(suite_modules(suite), opts.module))
    if opts.expect:
        second_try(opts, suite, known, results)
    total = dict.fromkeys((*COUNTED, "skip", "excluded"), 0)
    for result in results.values():
        for kind, count in tally(result.tests).items():
            total[kind] += count
    counted = sum(total[kind] for kind in COUNTED)
    percent = 100 * total["pass"] / counted if counted else 0.0

    print_results(results, opts.verbose)
    if opts.json:
        content = {
            "version": opts.version,
            "python": runner.package.get("python"),
            "summary": {**total, "total": counted, "percent": round(percent, 1)},
            "modules": {module: vars(result) for module, result in results.items()},
        }
        Path(opts.json).write_text(json.dumps(content, indent=1) + "\n")
    if opts.baseline:
        compare_baseline(results, known)
    status = 0
    if opts.write_expected:
        write_expected(opts.version, results, known)
    elif opts.expect and not compare_expected(results, known):
        status = 1
    package = runner.package
    print(
        f"tornado {package.get('version')} at {package.get('file')}, "
        f"Python {package.get('python')}, {time.time() - started:.0f} s, "
        f"{total['excluded']} excluded"
    )
    print(
        f"upstream {opts.version}: {total['pass']}/{counted} passed, "
        f"{total['skip']} skipped ({percent:.1f}%)"
    )
    return status


if __name__ == "__main__":
    sys.exit(main())
