"""`tornado.testing`: the parts upstream's suite leaves out."""

import compat  # noqa: F401  isort: skip

import asyncio
import logging
import ssl
import unittest
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel
from tornado import gen
from tornado.ioloop import IOLoop
from tornado.testing import (
    AsyncHTTPSTestCase,
    AsyncHTTPTestCase,
    AsyncTestCase,
    ExpectLog,
    LogTrapTestCase,
    bind_unused_port,
    gen_test,
    get_async_test_timeout,
    get_unused_port,
)
from tornado.web import Application, RequestHandler

from tests.platforms import needs_reuse_port
from tests.python import python


def run(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def test_the_loop_is_current_and_closed_afterwards() -> None:
    loops: list[Any] = []

    class Case(AsyncTestCase):
        @gen_test
        async def test(self) -> None:
            assert IOLoop.current() is self.io_loop
            loops.append(self.io_loop)
            await gen.sleep(0)

    assert run(Case).wasSuccessful()
    assert loops[0].asyncio_loop.is_closed()


def test_wait_returns_what_stop_was_given() -> None:
    class Case(AsyncTestCase):
        def test(self) -> None:
            self.io_loop.add_callback(self.stop, "value")
            assert self.wait() == "value"
            self.io_loop.add_callback(self.stop, a=1)
            assert self.wait() == {"a": 1}
            self.stop("before")
            assert self.wait() == "before"
            seen: list[int] = []

            def more() -> None:
                seen.append(1)
                self.stop()
                if len(seen) < 3:
                    self.io_loop.add_callback(more)

            self.io_loop.add_callback(more)
            self.wait(condition=lambda: len(seen) == 3)

    result = run(Case)
    assert result.wasSuccessful(), result.errors


@pytest.mark.parametrize("text", ["0.2", "x"])
def test_timeout_of_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ASYNC_TEST_TIMEOUT", text)
    assert get_async_test_timeout() == (5 if text == "x" else 0.2)


def test_a_timed_out_test_shows_where_it_waited() -> None:
    class Case(AsyncTestCase):
        @gen_test(timeout=0.01)
        def test_generator(self) -> Any:
            yield gen.sleep(10)  # here

        @gen_test(timeout=0.01)
        async def test_native(self) -> None:
            await gen.sleep(10)

    result = run(Case)
    generator, native = (text for _, text in result.errors)
    assert "# here" in generator
    # The loop has ended a native coroutine by the time its timeout is reported.
    assert "timed out after 0.01 seconds" in native


class Mixed(RequestHandler):
    """Awaits all three libraries."""

    async def get(self) -> None:
        await asyncio.sleep(0)
        await gen.sleep(0)
        await trio.lowlevel.checkpoint()
        self.write(self.request.protocol)


@pytest.mark.parametrize("base", [AsyncHTTPTestCase, AsyncHTTPSTestCase])
def test_http_cases(base: type[AsyncHTTPTestCase]) -> None:
    class Case(base):  # type: ignore[misc, valid-type]
        def get_app(self) -> Application:
            return Application([("/", Mixed)])

        def test_fetch(self) -> None:
            assert self.fetch("/").body.decode() == self.get_protocol()
            assert self.fetch(self.get_url("/nowhere")).code == 404

        @gen_test
        async def test_native(self) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep, 0.01)
                response = await self.http_client.fetch(self.get_url("/"))
            assert response.code == 200

        @gen_test
        def test_generator(self) -> Any:
            fetches = [self.http_client.fetch(self.get_url("/")) for _ in range(3)]
            responses = yield fetches
            assert [response.code for response in responses] == [200] * 3

    result = run(Case)
    assert result.testsRun == 3
    assert not result.errors + result.failures, result.errors + result.failures


def test_certificate_is_fit_for_modern_openssl() -> None:
    options = AsyncHTTPSTestCase.default_ssl_options()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options["certfile"], options["keyfile"])


@needs_reuse_port
def test_ports() -> None:
    first, port = bind_unused_port()
    second, other = bind_unused_port(reuse_port=True, address="0.0.0.0")
    with first, second:
        assert port != other
        assert not first.getblocking()
        assert second.getsockname()[0] == "0.0.0.0"
    assert get_unused_port() > 0
    with pytest.raises(OSError):
        bind_unused_port(address="203.0.113.1")


class TestExpectLog:
    logger = logging.getLogger("tests.expect")

    def test_matched_and_kept_out(self, caplog: pytest.LogCaptureFixture) -> None:
        with ExpectLog(self.logger, "hell", level=logging.INFO) as expect:
            self.logger.info("hello")
        assert expect.matched
        assert not expect.logged_stack
        assert not caplog.records
        assert self.logger.level == logging.NOTSET

    def test_missing(self) -> None:
        with pytest.raises(Exception, match="did not get expected"):
            with ExpectLog("tests.expect", "hello"):
                pass
        with ExpectLog("tests.expect", "hello", required=False) as expect:
            pass
        assert not expect.matched

    def test_an_error_in_the_block_comes_first(self) -> None:
        with pytest.raises(ZeroDivisionError), ExpectLog("tests.expect", "hello"):
            _ = 1 / 0

    def test_level(self, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(Exception, match="did not get expected"):
            with ExpectLog(self.logger, "hello", level=logging.INFO):
                self.logger.error("hello")
        assert "unexpected level (INFO vs ERROR)" in caplog.text
        caplog.set_level(logging.INFO, "tests.expect")
        with pytest.warns(DeprecationWarning, match="without level"):
            with ExpectLog(self.logger, "hello"):
                self.logger.info("hello")

    def test_stack(self) -> None:
        with ExpectLog(self.logger, "hello") as expect:
            self.logger.error("hello", exc_info=ValueError())
        assert expect.logged_stack


def test_log_trap_shows_the_log_of_failures_only() -> None:
    code = (
        "import compat, io, logging, sys, unittest\n"
        "from tornado.testing import LogTrapTestCase\n"
        "logging.basicConfig(stream=sys.stdout)\n"
        "class Case(LogTrapTestCase):\n"
        "    def test_good(self): logging.error('quiet')\n"
        "    def test_bad(self): logging.error('loud'); self.fail()\n"
        "unittest.main()\n"
    )
    assert issubclass(LogTrapTestCase, unittest.TestCase)
    ended = python("-c", code)
    assert "loud" in ended.stdout
    assert "quiet" not in ended.stdout


def test_main(tmp_path: Path) -> None:
    file = tmp_path / "my_test.py"
    file.write_text(
        "import compat, unittest\n"
        "from tornado.testing import main\n"
        "class Case(unittest.TestCase):\n"
        "    def test_good(self): pass\n"
        "    def test_bad(self): self.fail()\n"
        "def all(): return unittest.defaultTestLoader.loadTestsFromTestCase(Case)\n"
        "if __name__ == '__main__': main()\n"
    )
    ended = python(str(file))
    assert ended.returncode == 1
    assert "Ran 2 tests" in ended.stderr
    ended = python(str(file), "--verbose", "--failfast", "__main__.Case.test_good")
    assert ended.returncode == 0, ended.stderr
    assert "test_good" in ended.stderr
