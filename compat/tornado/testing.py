"""Test cases with an IOLoop: `AsyncTestCase`, `AsyncHTTPTestCase`, `gen_test`, `ExpectLog`.

Knows unittest and the public API of the IOLoop, the HTTP server and the client; must not
reach into the trio run beneath them. What Tornado 5 removed is in `_impl/legacy/testing.py`.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import logging
import os
import re
import signal
import socket
import ssl
import sys
import unittest
import warnings
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from types import GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from tornado import gen
from tornado._impl.generation import before
from tornado._impl.legacy.testing import LogTrapTestCase as LogTrapTestCase
from tornado._impl.names import handing_on
from tornado.ioloop import IOLoop
from tornado.log import app_log
from tornado.util import TimeoutError

from tornado_trio._util.system import share_port

if TYPE_CHECKING:
    from tornado.httpclient import AsyncHTTPClient, HTTPResponse
    from tornado.httpserver import HTTPServer
    from tornado.web import Application

_T = TypeVar("_T")


def bind_unused_port(
    reuse_port: bool = False, address: str = "127.0.0.1"
) -> tuple[socket.socket, int]:
    """A listening, non-blocking IPv4 socket on a free port, and the port.

    Args:
        reuse_port: set SO_REUSEPORT, so that other sockets may share the port.
        address: the IPv4 address to bind to.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name != "nt")
        if reuse_port:
            share_port(listener)
        listener.setblocking(False)
        listener.bind((address, 0))
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener, listener.getsockname()[1]


def get_unused_port() -> int:
    """A port that was free a moment ago (Tornado 4); `bind_unused_port` has no race."""
    listener, port = bind_unused_port()
    listener.close()
    return port


def get_async_test_timeout() -> float:
    """Seconds an asynchronous test may take: ASYNC_TEST_TIMEOUT in the environment, else 5."""
    try:
        return float(os.environ["ASYNC_TEST_TIMEOUT"])
    except (KeyError, ValueError):
        return 5


class AsyncTestCase(unittest.TestCase):
    """A test case with an IOLoop of its own, `self.io_loop`, current during each test.

    Tests are written as coroutines under `gen_test`, or in the callback style with `stop`
    and `wait`.
    """

    def __init__(self, methodName: str = "runTest") -> None:
        super().__init__(methodName)
        self.__stopped = False
        self.__running = False
        self.__failure: BaseException | None = None
        self.__stop_args: Any = None
        # The coroutine a gen_test is running: a timeout is thrown into it.
        self._test_generator: Generator[Any, Any, Any] | Coroutine[Any, Any, Any] | None = None

    def setUp(self) -> None:
        super().setUp()
        self.io_loop = self.get_new_ioloop()
        host = getattr(self.io_loop, "asyncio_loop", None)
        if host is None or before(6):
            self.io_loop.make_current()
        else:
            # Code under test that asks asyncio must find the same loop.
            asyncio.set_event_loop(host)

    def tearDown(self) -> None:
        self._cancel_tasks()
        # Child processes were watched by this loop; the next test has another.
        process = sys.modules.get("tornado.process")
        if process is not None:
            process.Subprocess.uninitialize()
        if self.__owns_loop():
            if before(6):
                # The loop from before the test becomes asyncio's again.
                IOLoop.clear_current()
            else:
                asyncio.set_event_loop(None)
            self.io_loop.close(all_fds=True)
        super().tearDown()
        # A failure in a callback that ran after the last wait().
        self.__rethrow()

    def _cancel_tasks(self) -> None:
        """Let what the test left running end now, rather than warn when it is collected."""
        host = getattr(self.io_loop, "asyncio_loop", None)
        if host is None or host.is_closed():
            return
        tasks = [task for task in asyncio.all_tasks(host) if not task.done()]
        if not tasks:
            return
        for task in tasks:
            task.cancel()

        async def ended() -> set[asyncio.Task[Any]]:
            done, _ = await asyncio.wait(tasks)
            return done

        for task in self.io_loop.run_sync(ended):
            if not task.cancelled():
                task.result()

    def __owns_loop(self) -> bool:
        # The loop of a program that runs under asyncio is not ours to close.
        platform = sys.modules.get("tornado.platform.asyncio")
        return platform is None or not isinstance(self.io_loop, platform.AsyncIOMainLoop)

    def get_new_ioloop(self) -> IOLoop:
        """The IOLoop for a test; may be overridden, for example to share one."""
        return IOLoop(make_current=False)

    def _handle_exception(
        self, typ: type[BaseException], value: BaseException, tb: TracebackType
    ) -> bool:
        if isinstance(value, asyncio.CancelledError):
            return False  # as in the loop: what gave up, or tearDown ended, is no failure
        if self.__failure is not None:
            app_log.error("multiple unhandled exceptions in test", exc_info=(typ, value, tb))
        self.__failure = self.__failure or value
        self.stop()
        return True

    def __rethrow(self) -> None:
        failure, self.__failure = self.__failure, None
        if failure is not None:
            raise failure

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        if before(6):
            importlib.import_module("tornado.stack_context")
        stack_context = sys.modules.get("tornado._impl.legacy.contexts")
        if stack_context is None:
            outcome = super().run(result)
        else:
            # Up to Tornado 5 an exception in any callback of a test fails the test. Programs
            # of that age have imported the module by now; later ones expect a log line.
            with stack_context.ExceptionStackContext(self._handle_exception, delay_warning=True):
                outcome = super().run(result)
        # As a last resort: a failure reported after tearDown has no test to be charged to.
        self.__rethrow()
        return outcome

    def _callTestMethod(self, method: Callable[[], Any]) -> None:
        """Run the test; returning something means that a decorator was forgotten."""
        result = method()
        if result is None:
            return
        if isinstance(result, GeneratorType) or inspect.iscoroutine(result):
            raise TypeError(
                "Generator and coroutine test methods should be decorated with "
                "tornado.testing.gen_test"
            )
        raise ValueError(f"Return value from test method ignored: {result!r}")

    def stop(self, _arg: Any = None, **kwargs: Any) -> None:
        """End the current (or the next) `wait`, which returns the argument given here.

        Keyword arguments are returned as a dict.
        """
        assert _arg is None or not kwargs
        self.__stop_args = kwargs or _arg
        if self.__running:
            self.io_loop.stop()
            self.__running = False
        self.__stopped = True

    def wait(
        self, condition: Callable[..., bool] | None = None, timeout: float | None = None
    ) -> Any:
        """Run the IOLoop until `stop` is called, and return what was passed to it.

        Args:
            condition: when given, `stop` ends the wait only once `condition()` is true.
            timeout: seconds; `get_async_test_timeout()` when None, none at all when 0.

        Raises:
            AssertionError: the timeout has passed.
        """
        if not self.__stopped:
            seconds = get_async_test_timeout() if timeout is None else timeout
            alarm = self.io_loop.call_later(seconds, self.__expire, seconds) if seconds else None
            satisfied = False
            while not satisfied:
                self.__running = True
                self.io_loop.start()
                satisfied = self.__failure is not None or condition is None or condition()
            if alarm is not None:
                self.io_loop.remove_timeout(alarm)  # one that has run already is no error
        assert self.__stopped
        result, self.__stop_args, self.__stopped = self.__stop_args, None, False
        self.__rethrow()
        return result

    def __expire(self, seconds: float) -> None:
        self.__failure = self.failureException(f"Async operation timed out after {seconds} seconds")
        self.stop()


class AsyncHTTPTestCase(AsyncTestCase):
    """A test case that starts an HTTP server on a free port; `get_app` must be overridden."""

    def setUp(self) -> None:
        super().setUp()
        listener, port = bind_unused_port()
        self.__port = port
        self.http_client = self.get_http_client()
        self._app = self.get_app()
        self.http_server = self.get_http_server()
        self.http_server.add_socket(listener)

    def get_http_client(self) -> AsyncHTTPClient:
        """The client that `fetch` uses."""
        from tornado.httpclient import AsyncHTTPClient

        return AsyncHTTPClient()

    def get_http_server(self) -> HTTPServer:
        """The server under test."""
        from tornado.httpserver import HTTPServer

        return HTTPServer(self._app, **self.get_httpserver_options())

    def get_app(self) -> Application:
        """The application (or other server callback) to test. Must be overridden."""
        raise NotImplementedError()

    def fetch(self, path: str, raise_error: bool = False, **kwargs: Any) -> HTTPResponse:
        """Fetch `path` of the server (or a full URL) and return the response.

        `kwargs` go to `AsyncHTTPClient.fetch`. An HTTP error is returned like any response
        unless `raise_error` is set; any other failure is raised.
        """
        absolute = path.lower().startswith(("http://", "https://"))
        url = path if absolute else self.get_url(path)

        def fetch() -> Any:
            return self.http_client.fetch(url, raise_error=raise_error, **kwargs)

        response: HTTPResponse = self.io_loop.run_sync(fetch, timeout=get_async_test_timeout())
        return response

    def get_httpserver_options(self) -> dict[str, Any]:
        """Keyword arguments for the `HTTPServer`; may be overridden."""
        return {}

    def get_http_port(self) -> int:
        """The port of the server; a new one for each test."""
        return self.__port

    def get_protocol(self) -> str:
        return "http"

    def get_url(self, path: str) -> str:
        """The absolute URL of `path` on the test server."""
        return f"{self.get_protocol()}://127.0.0.1:{self.get_http_port()}{path}"

    def tearDown(self) -> None:
        self.http_server.stop()
        self.io_loop.run_sync(
            self.http_server.close_all_connections, timeout=get_async_test_timeout()
        )
        self.http_client.close()
        # unittest keeps every test case until the end of the run; their apps need not stay.
        del self.http_server
        del self._app
        super().tearDown()


class AsyncHTTPSTestCase(AsyncHTTPTestCase):
    """An `AsyncHTTPTestCase` over TLS, with a certificate made for tests."""

    def get_http_client(self) -> AsyncHTTPClient:
        from tornado.httpclient import AsyncHTTPClient

        return AsyncHTTPClient(force_instance=True, defaults={"validate_cert": False})

    def get_httpserver_options(self) -> dict[str, Any]:
        return {"ssl_options": self.get_ssl_options()}

    def get_ssl_options(self) -> dict[str, Any] | ssl.SSLContext:
        """The server's TLS options; may be overridden."""
        return AsyncHTTPSTestCase.default_ssl_options()

    @staticmethod
    def default_ssl_options() -> dict[str, Any]:
        """The certificate and key shipped for tests: self-signed, for localhost."""
        folder = os.path.join(os.path.dirname(__file__), "test")
        return {
            "certfile": os.path.join(folder, "test.crt"),
            "keyfile": os.path.join(folder, "test.key"),
        }

    def get_protocol(self) -> str:
        return "https"


@overload
def gen_test(*, timeout: float | None = None) -> Callable[[Callable[..., Any]], Any]: ...


@overload
def gen_test(func: Callable[..., Any]) -> Callable[..., None]: ...


def gen_test(func: Callable[..., Any] | None = None, timeout: float | None = None) -> Any:
    """Make a test method of an `AsyncTestCase` from a coroutine, old style or native.

    ```python
    @gen_test
    async def test_something(self): ...

    @gen_test(timeout=10)
    def test_slow(self): yield ...
    ```

    The test ends when the coroutine does. After `timeout` seconds (default
    `get_async_test_timeout()`, asked when the test is decorated) `TimeoutError` is raised
    inside the coroutine, so that the traceback shows where it waited.
    """
    if func is None:
        return functools.partial(_gen_test, timeout=timeout)
    return _gen_test(func, timeout=timeout)


def _gen_test(func: Callable[..., Any], timeout: float | None) -> Callable[..., None]:
    limit = get_async_test_timeout() if timeout is None else timeout

    @functools.wraps(func)
    def remember(self: AsyncTestCase, *args: Any, **kwargs: Any) -> Any:
        result = func(self, *args, **kwargs)
        if isinstance(result, GeneratorType) or inspect.iscoroutine(result):
            self._test_generator = result
        else:
            self._test_generator = None
        return result

    coroutine = remember if inspect.iscoroutinefunction(func) else gen.coroutine(remember)

    @functools.wraps(func)
    def run_test(self: AsyncTestCase, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.io_loop.run_sync(
                functools.partial(coroutine, self, *args, **kwargs), timeout=limit
            )
        except TimeoutError as error:
            # run_sync's own traceback ends in the loop. Thrown into the suspended coroutine
            # the error gains the lines that were waiting.
            if self._test_generator is not None and _suspended(self._test_generator):
                self._test_generator.throw(error)
            raise
        finally:
            self._test_generator = None

    return run_test


def _suspended(coroutine: Any) -> bool:
    if isinstance(coroutine, GeneratorType):
        return inspect.getgeneratorstate(coroutine) == inspect.GEN_SUSPENDED
    return inspect.getcoroutinestate(coroutine) == inspect.CORO_SUSPENDED


class ExpectLog(logging.Filter):
    """Expect a log message in a `with` block, and keep it out of the output.

    ```python
    with ExpectLog("tornado.application", "Uncaught exception"):
        response = self.fetch("/broken")
    ```

    Attributes:
        matched: a message matched.
        logged_stack: a record with an exception came by, matching or not.
    """

    def __init__(
        self,
        logger: logging.Logger | str,
        regex: str,
        required: bool = True,
        level: int | None = None,
    ) -> None:
        """
        Args:
            logger: the logger to watch, or its name ("" for the root). Records of its
                children are not seen.
            regex: matched at the start of the formatted message.
            required: fail when the block ends without a match.
            level: the level expected. Needed for messages below WARNING: the logger is set
                to this level within the block.
        """
        super().__init__()
        self.logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self.regex = re.compile(regex)
        self.formatter = logging.Formatter()
        self.required = required
        self.matched = False
        self.deprecated_level_matched = 0
        self.logged_stack = False
        self.level = level
        self.orig_level: int | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info:
            self.logged_stack = True
        message = self.formatter.format(record)
        if self.regex.match(message) is None:
            return True
        if self.level is not None and record.levelno != self.level:
            app_log.warning(
                "Got expected log message %r at unexpected level (%s vs %s)",
                message,
                logging.getLevelName(self.level),
                record.levelname,
            )
            return True
        if self.level is None and record.levelno < logging.WARNING:
            self.deprecated_level_matched += 1
        self.matched = True
        return False

    def __enter__(self) -> ExpectLog:
        level = self.level
        if level is not None and not self.logger.isEnabledFor(level):
            self.orig_level = self.logger.level  # what it takes to see the message
            self.logger.setLevel(level)
        self.logger.addFilter(self)
        return self

    def __exit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.logger.removeFilter(self)
        if self.orig_level is not None:
            self.logger.setLevel(self.orig_level)
        if not self.required or typ is not None:
            return  # another error says more
        if not self.matched:
            raise Exception("did not get expected log message")
        if self.deprecated_level_matched:
            warnings.warn(
                "ExpectLog matched at INFO or below without level argument",
                DeprecationWarning,
                stacklevel=2,
            )


def setup_with_context_manager(testcase: unittest.TestCase, cm: AbstractContextManager[_T]) -> _T:
    """Enter `cm` in a `setUp`, to be left when the test is cleaned up; returns its value."""
    return testcase.enterContext(cm)


class _Names(unittest.TestLoader):
    """A loader that need not import `__main__` to find what is named in it.

    unittest tries, and Python 3.15 fails to say that it could not.
    """

    def loadTestsFromName(self, name: str, module: Any = None) -> Any:
        if module is None and name.startswith("__main__."):
            module, name = sys.modules["__main__"], name.partition(".")[2]
        return super().loadTestsFromName(name, module)


#: Option on the command line -> argument of `unittest.main`, and its value.
_UNITTEST_ARGUMENTS: dict[str, tuple[str, Any]] = {
    "verbose": ("verbosity", 2),
    "quiet": ("verbosity", 0),
    "failfast": ("failfast", True),
    "catch": ("catchbreak", True),
    "buffer": ("buffer", True),
}


def main(**kwargs: Any) -> None:
    """Run the tests named on the command line, else what the main module's `all` returns.

    Tornado's options are understood as well (--logging, --verbose, --quiet, --failfast,
    --buffer, --catch, --exception-on-interrupt). `kwargs` go to `unittest.main`.
    """
    from tornado.options import define, options, parse_command_line

    define(
        "exception_on_interrupt",
        type=bool,
        default=True,
        help="If true (default), ctrl-c raises a KeyboardInterrupt exception. This prints a "
        "stack trace but cannot interrupt certain operations. If false, the process is more "
        "reliably killed, but does not print a stack trace.",
    )
    # The rest are unittest's own switches: parsed here since unittest never sees the options.
    for name in _UNITTEST_ARGUMENTS:
        define(name, type=bool, group=__file__)

    argv = [sys.argv[0], *parse_command_line()]
    if not options.exception_on_interrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for option, (argument, value) in _UNITTEST_ARGUMENTS.items():
        if options[option] is not None:
            kwargs[argument] = value
    if len(argv) > 1:
        # Names given on the command line are complete; there is no module to start from.
        kwargs.setdefault("testLoader", _Names())
        unittest.main(module=None, argv=argv, **kwargs)
    else:
        unittest.main(defaultTest="all", argv=argv, **kwargs)


if __name__ == "__main__":
    main()


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.testing")
