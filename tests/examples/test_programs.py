"""The crawler, the batch program, the loops and the threads: on an IOLoop, and in `trio.run`."""

import compat  # noqa: I001 (first: it makes `tornado` ours)

import asyncio
import sys
from typing import Any

import pytest
import trio
from tornado import gen
from tornado.httpclient import AsyncHTTPClient, HTTPError
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import AsyncHTTPTestCase, bind_unused_port, gen_test
from tornado.web import Application, RequestHandler

from .programs import load, run


class Page(RequestHandler):
    """A small site: three pages that link to each other, a dead link, a link elsewhere."""

    LINKS = {
        "": ["a", "b#middle", "http://elsewhere.invalid/"],
        "a": ["/", "b"],
        "b": ["/gone", "c"],
        "c": [],
    }

    async def get(self, name: str) -> None:
        await gen.sleep(0.001)
        if name not in self.LINKS:
            self.send_error(404)
            return
        for target in self.LINKS[name]:
            self.write(f'<a href="{target}">{target}</a>')


class Slow(RequestHandler):
    async def get(self) -> None:
        await gen.sleep(0.3)


def site() -> Application:
    # Refusals of pages that are not there are expected, not to be logged.
    return Application(
        [("/slow", Slow), ("/(.*)", Page)], log_function=lambda handler: None
    )


class TestOnTheLoop(AsyncHTTPTestCase):
    def get_app(self) -> Application:
        return site()

    @gen_test
    async def test_spider(self) -> None:
        start = self.get_url("/")
        fetched, failed = await load("webspider.py").crawl(start, workers=3)
        assert sorted(fetched) == [start, start + "a", start + "b", start + "c"]
        assert list(failed) == [start + "gone"]
        assert isinstance(failed[start + "gone"], HTTPError)

    @gen_test
    async def test_batch(self) -> None:
        batch = load("batch.py")
        urls = [self.get_url("/"), self.get_url("/gone")]
        assert await batch.check_list(urls) == [200, 404]
        assert await batch.check_dict(urls) == dict(zip(urls, [200, 404], strict=True))
        assert await batch.check_return(urls[1]) == 404
        assert await batch.check_native(urls) == [200, 404]
        assert await batch.main(urls) == 1
        assert await batch.first_of([self.get_url("/slow"), urls[1]]) == (1, 404)
        assert await batch.within(self.get_url("/slow"), 0.05) is None
        assert await batch.within(urls[0], 5) == 200
        assert await batch.search(urls[0], q="a b") == 200

    @gen_test
    async def test_programs_of_their_own(self) -> None:
        """As one would start them: run_sync, the output, the exit status."""
        start = self.get_url("/")
        loop = IOLoop.current()
        done = await loop.run_in_executor(None, lambda: run("webspider.py", "--workers=2", start))
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[:2] == [start, start + "a"]
        assert "4 pages, 1 failed" in done.stdout
        assert "HTTP 404" in done.stderr
        done = await loop.run_in_executor(None, lambda: run("batch.py", start, start + "gone"))
        assert done.returncode == 1, done.stderr
        assert done.stdout.splitlines() == [f"200 {start}", f"404 {start}gone"]
        code = await loop.run_in_executor(None, load("batch.py").fetch_blocking, start + "gone")
        assert code == 404


class TestThreads(AsyncHTTPTestCase):
    def get_app(self) -> Any:
        self.blocking = load("blocking.py")
        return self.blocking.make_app()

    @gen_test
    async def test_each_way(self) -> None:
        digest = self.blocking.slow_hash("swordfish").encode()
        for path in ("/yield", "/await", "/method"):
            response = await self.http_client.fetch(self.get_url(path + "?word=swordfish"))
            assert response.body == digest

    @gen_test
    async def test_others_are_served_meanwhile(self) -> None:
        released = trio.Event()
        order = []

        def blocked(word: str) -> str:
            trio.from_thread.run(released.wait, trio_token=token)
            order.append("slow")
            return word

        token = trio.lowlevel.current_trio_token()
        original, self.blocking.slow_hash = self.blocking.slow_hash, blocked
        try:
            slow = gen.convert_yielded(self.http_client.fetch(self.get_url("/await?word=x")))
            await gen.sleep(0.05)
            assert (await self.http_client.fetch(self.get_url("/"))).body == b"not blocked"
            order.append("free")
            released.set()
            assert (await slow).body == b"x"
        finally:
            self.blocking.slow_hash = original
        assert order == ["free", "slow"]


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in zip(times, times[1:], strict=False)]


class TestMinuteLoops(AsyncHTTPTestCase):
    def get_app(self) -> Application:
        return Application()

    @gen_test
    async def test_rhythms(self) -> None:
        works, periodic = load("minute_loops.py").start(0.08, 0.04)
        assert periodic.is_running()
        await gen.sleep(0.5)
        periodic.stop()
        assert not periodic.is_running()
        loop, loop2, beats = ([*gaps(work.begun)] for work in works)
        assert len(loop) >= 2 and len(loop2) >= 3 and len(beats) >= 3
        # Exact figures are for a mock clock, below.
        assert sum(loop) / len(loop) > sum(loop2) / len(loop2)


# --- the same coroutines in plain trio: no asyncio loop is made ---------------------------


def no_asyncio() -> None:
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


async def test_spider_and_batch_in_trio() -> None:
    async with compat.open_loop():
        no_asyncio()
        server = HTTPServer(site())
        sock, port = bind_unused_port()
        server.add_socket(sock)
        start = f"http://127.0.0.1:{port}/"
        fetched, failed = await load("webspider.py").crawl(start, workers=3)
        assert len(fetched) == 4 and list(failed) == [start + "gone"]
        batch = load("batch.py")
        assert await batch.check_list([start, start + "gone"]) == [200, 404]
        assert await batch.check_dict([start]) == {start: 200}
        assert await batch.within(start + "slow", 0.05) is None
        assert await batch.main([start]) == 0
        server.stop()
        await server.close_all_connections()
        AsyncHTTPClient().close()


async def test_minute_loops_in_trio(autojump_clock: trio.testing.MockClock) -> None:
    """Under a mock clock an hour takes no time, and the rhythms are exact."""
    async with compat.open_loop():
        no_asyncio()
        works, periodic = load("minute_loops.py").start(60.0, 12.5)
        await trio.sleep(3600)
        periodic.stop()
        loop, loop2, _ = (gaps(work.begun) for work in works)
    assert loop == pytest.approx([72.5] * len(loop)) and len(loop) >= 48
    assert loop2 == pytest.approx([60] * len(loop2)) and len(loop2) >= 58


async def test_threads_in_trio() -> None:
    blocking = load("blocking.py")
    async with compat.open_loop():
        no_asyncio()

        @gen.coroutine
        def call_blocking() -> Any:
            digest = yield blocking.thread_pool.submit(blocking.slow_hash, "trio")
            return digest

        assert await call_blocking() == blocking.slow_hash("trio")


def test_the_tests_run_ours() -> None:
    assert "compat" in sys.modules["tornado"].__file__
