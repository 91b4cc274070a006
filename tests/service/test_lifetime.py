"""The life of a service, in memory and on a clock that jumps: what an end does, and when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.server.apps import hello
from tornado_trio.exchange import Exchange
from tornado_trio.net.listeners import Listener
from tornado_trio.net.memory import MemoryNetwork
from tornado_trio.server import serve
from tornado_trio.service import Settings, current_service
from tornado_trio.service.lifetime import CLEANUP, Service
from tornado_trio.testing.server import RawClient

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Memory:
    """A source of listeners on a network in memory, which remembers what it was told."""

    def __init__(self) -> None:
        self.network = MemoryNetwork()
        self.events: list[str] = []

    def listeners(self, settings: Settings, port: int | None, host: str | None) -> Sequence[Any]:
        return [self.network.listen(settings.port or port or 80, "a")]

    def serving(self, listeners: Sequence[Listener], tls: bool) -> None:
        self.events.append("serving")

    def stopping(self) -> None:
        self.events.append("stopping")

    async def client(self, port: int = 80) -> RawClient:
        return RawClient(await self.network.connect("a", port))


@pytest.fixture
def memory() -> Memory:
    return Memory()


async def slow(exchange: Exchange) -> None:
    await trio.sleep(10)
    await hello(exchange)


@asynccontextmanager
async def running(service: Service, main: Any) -> AsyncIterator[trio.Event]:
    """The service, until the block ends; the event is set when it has ended."""
    ended = trio.Event()

    async def run() -> None:
        await service.run(main)
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        yield ended
        service.cut()


async def test_requests_under_way_are_answered(
    autojump_clock: trio.testing.MockClock, memory: Memory
) -> None:
    service = Service(Settings(), memory)
    log: list[str] = []

    async def main() -> None:
        try:
            await serve(slow)
        finally:
            await trio.sleep(1)  # closing what was opened around `serve` takes its time
            log.append("closed")

    async with running(service, main) as ended:
        assert service.state == "serving" and service.ready
        client = await memory.client()
        await client.send(GET)
        await trio.sleep(1)
        service.stop()
        await trio.testing.wait_all_tasks_blocked()
        assert service.state == "draining" and not service.ready
        assert (await client.response()).body == b"hello"
        await ended.wait()
    assert log == ["closed"]
    assert service.state == "ended"
    assert memory.events == ["serving", "stopping"]
    assert trio.current_time() == pytest.approx(11, abs=0.1)


async def test_tasks_beside_serve_are_cancelled_after_it(
    autojump_clock: trio.testing.MockClock, memory: Memory
) -> None:
    service = Service(Settings(), memory)
    log: list[str] = []

    async def job() -> None:
        try:
            await trio.sleep_forever()
        finally:
            log.append("job")

    async def main() -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(job)
                await serve(slow)
                await trio.sleep(0.5)  # no cancellation: this, too, is main's own end
                log.append("served")
        finally:
            await trio.sleep(1)
            log.append("closed")

    async with running(service, main) as ended:
        client = await memory.client()
        await client.send(GET)
        service.stop()  # before it was even accepted
        assert (await client.response()).code == 200
        await ended.wait()
    assert log == ["served", "job", "closed"]
    assert trio.current_time() < 13


async def test_serve_started_while_main_waits_elsewhere(
    autojump_clock: trio.testing.MockClock, memory: Memory
) -> None:
    service = Service(Settings(), memory)
    log: list[str] = []

    async def web() -> None:
        await serve(hello)
        await trio.sleep(0.5)
        log.append("web")

    async def main() -> None:
        try:
            async with trio.open_nursery() as outer, trio.open_nursery() as nursery:
                outer.start_soon(trio.sleep_forever)
                nursery.start_soon(web)
                await nursery.start(serve, hello, 81)
                await trio.sleep_forever()
        finally:
            await trio.sleep(1)
            log.append("closed")

    async with running(service, main) as ended:
        service.stop()
        await ended.wait()
    assert log == ["web", "closed"]
    assert trio.current_time() < 3


async def test_main_that_would_not_end_is_cancelled(
    autojump_clock: trio.testing.MockClock, memory: Memory
) -> None:
    service = Service(Settings(), memory)

    async def main() -> None:
        await serve(hello)
        await trio.sleep_forever()

    async with running(service, main) as ended:
        service.stop()
        await ended.wait()
    assert trio.current_time() == pytest.approx(CLEANUP, abs=0.5)


async def test_main_without_serve_is_cancelled_at_once(
    autojump_clock: trio.testing.MockClock, memory: Memory
) -> None:
    service = Service(Settings(), memory)
    async with running(service, trio.sleep_forever) as ended:
        assert service.state == "starting"
        service.stop()
        await ended.wait()
    assert trio.current_time() == 0


async def test_the_second_signal_cuts(
    autojump_clock: trio.testing.MockClock, memory: Memory
) -> None:
    service = Service(Settings(), memory)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, slow)
            await trio.sleep_forever()

    async with running(service, main) as ended:
        client = await memory.client()
        await client.send(GET)
        await trio.sleep(1)
        service.stop()
        await trio.sleep(1)
        assert not ended.is_set()
        service.cut()
        assert (await client.response()).code == 503
        await ended.wait()
    assert trio.current_time() < 3


async def test_drain_delay_keeps_the_listeners(
    autojump_clock: trio.testing.MockClock, memory: Memory
) -> None:
    service = Service(Settings(drain_delay=5), memory)

    async def main() -> None:
        await serve(hello)

    async with running(service, main) as ended:
        service.stop()
        await trio.sleep(4)
        assert service.state == "leaving" and not service.ready
        client = await memory.client()
        assert (await client.request(GET)).body == b"hello"
        await ended.wait()
    assert trio.current_time() == pytest.approx(5.25, abs=0.1)  # + Timeouts.drain_idle


async def test_a_signal_cuts_the_drain_delay_short(
    autojump_clock: trio.testing.MockClock, memory: Memory
) -> None:
    service = Service(Settings(drain_delay=500), memory)

    async def main() -> None:
        await serve(hello)

    async with running(service, main) as ended:
        service.stop()
        await trio.sleep(1)
        service.cut()
        await ended.wait()
    assert trio.current_time() < 3


async def test_told_to_stop_before_it_serves(
    autojump_clock: trio.testing.MockClock, memory: Memory
) -> None:
    service = Service(Settings(), memory)
    service.stop()

    async def main() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
            await serve(hello)

    async with running(service, main) as ended:
        await ended.wait()
    assert trio.current_time() < 3


async def test_what_main_raises_comes_out_alone(memory: Memory) -> None:
    async def main() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await Service(Settings(), memory).run(main)


async def test_the_operators_settings_go_first(
    autojump_clock: trio.testing.MockClock, memory: Memory
) -> None:
    service = Service(Settings(port=90, grace=2), memory)
    found: list[object] = []

    async def main() -> None:
        found.append(current_service())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, slow, 8888)  # the service's own address
            await trio.sleep(1)
            await nursery.start(serve, hello, 91)  # another, which stays

    assert current_service() is None
    async with running(service, main) as ended:
        assert found == [service]
        await trio.sleep(2)
        assert len(service.servers) == 2
        assert service.statistics()["state"] == "serving"
        assert (await (await memory.client(91)).request(GET)).body == b"hello"
        client = await memory.client(90)
        await client.send(GET)
        await trio.sleep(1)
        service.stop()
        assert (await client.response()).code == 503  # after the operator's 2 s of grace
        await ended.wait()
    assert trio.current_time() == pytest.approx(7, abs=0.5)  # + Timeouts.linger


async def test_serve_without_a_port_still_says_so(memory: Memory) -> None:
    service = Service(Settings(), memory)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, hello, 81)
            await nursery.start(serve, hello)
            with pytest.raises(ValueError, match="serve needs a port"):
                await serve(hello)
            nursery.cancel_scope.cancel()

    await service.run(main)
