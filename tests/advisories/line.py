"""The advisories of this kind of software, and the tests that hold each of them here.

A line is (advisory, what must hold, tests). A test is named by file, function and perhaps the
text that names one of its cases; tests/test_advisories.py checks that all of them exist. A
line that does not apply says why instead.
"""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One advisory. Either `tests` or `reason` is not empty."""

    advisory: str
    behaviour: str
    tests: tuple[str, ...]
    reason: str = ""


def held(advisory: str, behaviour: str, *tests: str) -> Line:
    return Line(advisory, behaviour, tests)


def not_ours(advisory: str, behaviour: str, reason: str) -> Line:
    return Line(advisory, behaviour, (), reason)


#: The corpora of raw bytes, whose cases have names.
RAW = "server/test_corpus.py::test_case"
HOSTILE = "client/test_hostile.py::test_refused"
TWICE = "security/test_checks.py::test_the_corpus_is_judged_alike_without_asserts"
SECRETS = "security/test_clients.py::test_secrets_do_not_cross_origins"
