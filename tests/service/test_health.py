"""`/health` and `/ready` while a service starts, works, fails and drains."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
import trio.testing

from tornado_trio import web
from tornado_trio.jobs import Backoff, supervise
from tornado_trio.server import serve
from tornado_trio.service import Health, Ready, Settings
from tornado_trio.service.lifetime import Service

from .test_lifetime import Memory, memory, running  # noqa: F401


async def ask(memory: Memory, path: str, method: str = "GET") -> tuple[int, Any]:  # noqa: F811
    client = await memory.client()
    response = await client.request(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert response.headers["Cache-Control"] == "no-store"
    return response.code, json.loads(response.body) if response.body else None


async def test_ready_follows_the_service(
    autojump_clock: trio.testing.MockClock,
    memory: Memory,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    database: Any = None

    async def check() -> bool | None:
        if isinstance(database, Exception):
            raise database
        if database == "slow":
            await trio.sleep_forever()
        return database  # type: ignore[no-any-return]

    app = web.Application(
        [(r"/health", Health), (r"/ready", Ready, {"checks": {"database": check}})]
    )
    service = Service(Settings(drain_delay=10), memory)

    async def main() -> None:
        await serve(app)

    async with running(service, main) as ended:
        assert await ask(memory, "/health") == (200, {"status": "ok"})
        assert await ask(memory, "/health", "HEAD") == (200, None)
        good = {"ready": True, "state": "serving", "checks": {"database": True}}
        assert await ask(memory, "/ready") == (200, good)
        bad = {"ready": False, "state": "serving", "checks": {"database": False}}
        for found in (False, OSError("secret"), "slow"):
            database = found
            assert await ask(memory, "/ready") == (503, bad)
        database = None
        assert await ask(memory, "/ready") == (200, good)
        service.stop()
        await trio.sleep(1)
        assert await ask(memory, "/ready") == (503, {"ready": False, "state": "leaving"})
        assert (await ask(memory, "/health"))[0] == 200
        await ended.wait()
    assert "check database failed: OSError('secret')" in caplog.text
    assert "no answer within 1 s: database" in caplog.text


async def test_a_critical_job_that_waits_is_not_ready(
    autojump_clock: trio.testing.MockClock,
    memory: Memory,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = Service(Settings(), memory)
    broken = True

    async def consume() -> None:
        if broken:
            raise OSError("secret")
        await trio.sleep_forever()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            wait = Backoff(first=10, jitter=0)
            supervise(nursery, consume, name="consumer", critical=True, restart=wait)
            supervise(nursery, consume, name="other", restart=None)
            await serve(web.Application([(r"/ready", Ready)]))

    async with running(service, main):
        answer: dict[str, Any] = {"ready": False, "state": "serving"}
        assert await ask(memory, "/ready") == (503, {**answer, "jobs": {"consumer": "waiting"}})
        broken = False
        await trio.sleep(15)
        answer["ready"] = True
        assert await ask(memory, "/ready") == (200, {**answer, "jobs": {"consumer": "running"}})


async def test_without_a_service(
    autojump_clock: trio.testing.MockClock,
    memory: Memory,  # noqa: F811
) -> None:
    async with trio.open_nursery() as nursery:
        listener = memory.network.listen(80, "a")

        async def start(task_status: trio.TaskStatus[object]) -> None:
            app = web.Application([(r"/ready", Ready)])
            await serve(app, listeners=[listener], task_status=task_status)

        await nursery.start(start)
        assert await ask(memory, "/ready") == (200, {"ready": True, "state": "serving"})
        nursery.cancel_scope.cancel()
