"""What every test may rely on."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tornado_trio.testing import no_leaks

HERE = Path(__file__).parent

pytest_plugins = ["tornado_trio.testing.plugin"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "keeps_open(why): may leave descriptors open")
    # The 5 seconds that Tornado's own test cases give are few on a machine that is busy.
    os.environ.setdefault("ASYNC_TEST_TIMEOUT", "30")
    # Those of this run, as .ci/run gives them, are not for a pytest that a test starts.
    os.environ.pop("PYTEST_ADDOPTS", None)
    # Started in the background (`make test &`, nohup, many a job runner), a shell has SIGINT
    # ignored. Programs that the tests start inherit that, and would never end by it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


#: Whose tests leave nothing behind.
CHECKED = frozenset(
    ("api", "asgi", "client", "interop", "net", "oauth", "observe", "rooms", "server", "service")
    + ("compat", "examples", "web", "websocket")
)


def _loggers() -> dict[logging.Logger, tuple[int, bool, bool, list[Any], list[Any]]]:
    """How the loggers of this package, Tornado's and the root are set up."""
    names = [name for name in list(logging.Logger.manager.loggerDict) if name.startswith("tornado")]
    return {
        each: (each.level, each.propagate, each.disabled, each.handlers[:], each.filters[:])
        for each in (logging.getLogger(), *map(logging.getLogger, names))
    }


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Services and `parse_command_line` set up logging, and tests do: it ends with the test.

    What later tests see in their log must not depend on those before.
    """
    before = _loggers()
    yield
    for logger in _loggers():
        level, propagate, disabled, handlers, filters = before.get(
            logger, (logging.NOTSET, True, False, [], [])
        )
        if logger.level != level:
            logger.setLevel(level)  # it keeps what it has computed; so only then
        logger.propagate, logger.disabled = propagate, disabled
        logger.handlers[:], logger.filters[:] = handlers, filters


@pytest.fixture(autouse=True)
def _no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test leaves a descriptor open, nor a client's connection in use.

    (Nor tasks: the test's run would not end.) It is set up after fixtures of larger scope, and ends
    after all others. `@pytest.mark.keeps_open("why")` is for what belongs to the process.
    """
    folder = request.node.path.relative_to(HERE).parts[0]
    if folder not in CHECKED or request.node.get_closest_marker("keeps_open"):
        yield
        return
    with no_leaks():
        yield
