"""Deadlines and cancellation in every phase: the right error, and nothing left behind."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio

from tornado_trio.client import (
    Client,
    ClientError,
    ClientLimits,
    ClientTimeouts,
    ConnectError,
    ConnectionLost,
    InvalidRequest,
    Network,
    Proxy,
    RequestTimeout,
    TlsOptions,
    open_client,
)
from tornado_trio.client.websocket import open_websocket
from tornado_trio.errors import DeadlineError
from tornado_trio.net import MemoryNetwork

from .servers import OK, Peer, answering, serving

TIMES = ClientTimeouts(queue=1, connect=2, first_byte=3, idle=4, total=50)


async def forever(*_: Any) -> Any:
    await trio.sleep_forever()


async def silent(peer: Peer) -> None:
    await trio.sleep_forever()


async def deaf(peer: Peer) -> None:
    """Reads requests, answers nothing."""
    while await peer.request():
        pass


async def half(peer: Peer) -> None:
    """Answers half a body."""
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    await trio.sleep_forever()


async def chunks() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 10_000


# phase -> (server, network options, body, the limit that ends it and after how long)
Row = tuple[Callable[[Peer], Awaitable[None]], dict[str, Any], Any, str, float]
PHASES: dict[str, Row] = {
    "resolve": (silent, {"resolver": forever}, None, "connect", 2),
    "connect": (silent, {"dial": forever}, None, "connect", 2),
    "proxy": (deaf, {"proxy": Proxy(url="http://proxy.test", tunnel=True)}, None, "connect", 2),
    "tls": (silent, {"tls": TlsOptions(verify=False)}, None, "connect", 2),
    "send": (silent, {}, b"x" * 1_000_000, "idle", 4),
    "first_byte": (deaf, {}, None, "first_byte", 3),
    "body": (half, {}, None, "idle", 4),
}


def network_for(network: MemoryNetwork, options: dict[str, Any]) -> Network:
    if "resolver" in options:
        return Network(**options)
    return Network(**{"dial": network.connect, **options})


@pytest.mark.parametrize("phase", PHASES)
async def test_each_phase_has_its_deadline(phase: str, autojump_clock: Any) -> None:
    handler, options, body, limit, seconds = PHASES[phase]
    url = "https://a.test/" if phase == "tls" else "http://a.test/"
    async with serving(handler, 443 if phase == "tls" else 80) as server:
        network = network_for(server.network, options)
        async with open_client(network=network, timeouts=TIMES) as client:
            start = trio.current_time()
            with pytest.raises(RequestTimeout) as caught:
                await client.post(url, body=body)
            assert (caught.value.phase, caught.value.limit) == (phase, limit)
            assert trio.current_time() - start == pytest.approx(seconds)
            assert isinstance(caught.value, DeadlineError) and isinstance(
                caught.value, TimeoutError
            )
            assert client.statistics()["origins"] == {}


async def test_queue_deadline(autojump_clock: Any) -> None:
    limits = ClientLimits(max_per_origin=1)
    async with serving(deaf) as server:
        network = Network(dial=server.network.connect)
        async with open_client(network=network, limits=limits, timeouts=TIMES) as client:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(
                    client.get,
                    "http://a.test/",
                )
                await trio.testing.wait_all_tasks_blocked()
                with pytest.raises(RequestTimeout) as caught:
                    await client.get("http://a.test/")
                assert (caught.value.phase, caught.value.limit) == ("queue", "queue")
                nursery.cancel_scope.cancel()
            assert client.statistics()["origins"] == {}


@pytest.mark.parametrize("phase", PHASES)
async def test_the_total_deadline_ends_any_phase(phase: str, autojump_clock: Any) -> None:
    handler, options, body, _, _ = PHASES[phase]
    url = "https://a.test/" if phase == "tls" else "http://a.test/"
    timeouts = ClientTimeouts(queue=None, connect=None, first_byte=None, idle=None, total=7)
    async with serving(handler, 443 if phase == "tls" else 80) as server:
        network = network_for(server.network, options)
        async with open_client(network=network, timeouts=timeouts) as client:
            with pytest.raises(RequestTimeout) as caught:
                await client.post(url, body=body)
            assert (caught.value.phase, caught.value.limit) == (phase, "total")
            assert trio.current_time() == pytest.approx(7, abs=0.01)


@pytest.mark.parametrize("phase", PHASES)
async def test_cancelling_in_any_phase(phase: str, autojump_clock: Any) -> None:
    handler, options, body, _, _ = PHASES[phase]
    url = "https://a.test/" if phase == "tls" else "http://a.test/"
    async with serving(handler, 443 if phase == "tls" else 80) as server:
        network = network_for(server.network, options)
        async with open_client(network=network) as client:
            with trio.move_on_after(1) as scope:
                await client.post(url, body=body)
            assert scope.cancelled_caught
            assert client.statistics()["origins"] == {}
            # Closed at once, not some time later.
            for peer in server.peers:
                await peer.stream.read_until_close()


async def test_cancelling_a_queued_call_leaves_its_place_to_others() -> None:
    limits = ClientLimits(max_per_origin=1)
    go = trio.Event()

    async def gated(peer: Peer) -> None:
        while await peer.request():
            await go.wait()
            await peer.send(OK)

    async with serving(gated) as server:
        network = Network(dial=server.network.connect)
        async with open_client(network=network, limits=limits) as client:
            done: list[int] = []

            async def call(number: int, scope: trio.CancelScope) -> None:
                with scope:
                    await client.get("http://a.test/")
                    done.append(number)

            scopes = [trio.CancelScope() for _ in range(4)]
            async with trio.open_nursery() as nursery:
                for number, scope in enumerate(scopes):
                    nursery.start_soon(call, number, scope)
                    await trio.testing.wait_all_tasks_blocked()
                scopes[1].cancel()
                await trio.testing.wait_all_tasks_blocked()
                assert client.statistics()["waiting"] == 2
                go.set()
            assert done == [0, 2, 3]


async def test_cancelled_just_as_it_was_served() -> None:
    limits = ClientLimits(max_per_origin=1)
    async with serving(answering(OK)) as server:
        network = Network(dial=server.network.connect)
        async with open_client(network=network, limits=limits) as client:
            with trio.CancelScope() as scope:
                async with client.stream("GET", "http://a.test/"):
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(client.get, "http://a.test/")
                        await trio.testing.wait_all_tasks_blocked()
                        # The connection comes back, is handed on, and the heir is cancelled.
                        for ticket in client._engine.pool.tickets():
                            assert ticket.wake is not None
                            ticket.wake()
                        scope.cancel()
            assert client.statistics()["in_use"] == client.statistics()["waiting"] == 0
            assert (await client.get("http://a.test/")).body == b"ok"


async def test_cancelled_streams_can_be_read_on(autojump_clock: Any) -> None:
    async def slow(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        await trio.sleep(5)
        await peer.send(b"def")
        await peer.request()

    async with serving(slow) as server:
        async with open_client(network=Network(dial=server.network.connect)) as client:
            async with client.stream("GET", "http://a.test/") as response:
                assert await response.read_chunk() == b"abc"
                with trio.move_on_after(1) as scope:
                    await response.read_chunk()
                assert scope.cancelled_caught
                assert await response.read_chunk() == b"def"
                assert await response.read_chunk() == b""


async def test_a_stalled_upload_is_noticed_although_it_had_begun(autojump_clock: Any) -> None:
    async def reads_a_little(peer: Peer) -> None:
        await peer.stream.read_until(b"\r\n\r\n")
        for _ in range(10):
            await peer.stream.read_exactly(10_000)
            await trio.sleep(3)
        await trio.sleep_forever()

    async with serving(reads_a_little) as server:
        network = Network(dial=server.network.connect)
        async with open_client(network=network, timeouts=TIMES) as client:
            with pytest.raises(RequestTimeout) as caught:
                await client.post("http://a.test/", body=chunks())
            assert (caught.value.phase, caught.value.limit) == ("send", "idle")
            assert 30 <= trio.current_time() <= 36


async def test_a_slow_upload_may_take_longer_than_first_byte(autojump_clock: Any) -> None:
    async def reads_slowly(peer: Peer) -> None:
        await peer.stream.read_until(b"\r\n\r\n")
        for _ in range(40):
            await peer.stream.read_exactly(20_000)
            await trio.sleep(0.5)
        await peer.send(OK)

    async with serving(reads_slowly) as server:
        network = Network(dial=server.network.connect)
        async with open_client(network=network, timeouts=TIMES) as client:
            response = await client.post("http://a.test/", body=b"x" * 800_000)
            assert response.status == 200 and trio.current_time() >= 20


async def test_the_first_byte_is_awaited_from_the_end_of_the_upload(autojump_clock: Any) -> None:
    async def silent_after(peer: Peer) -> None:
        await peer.stream.read_until(b"\r\n\r\n")
        for _ in range(10):
            await peer.stream.read_exactly(20_000)
            await trio.sleep(2)
        await trio.sleep_forever()

    async with serving(silent_after) as server:
        network = Network(dial=server.network.connect)
        async with open_client(network=network, timeouts=TIMES) as client:
            with pytest.raises(RequestTimeout) as caught:
                await client.post("http://a.test/", body=b"x" * 200_000)
            assert (caught.value.phase, caught.value.limit) == ("first_byte", "first_byte")


@pytest.mark.parametrize("phase", ["first_byte", "body", "send"])
async def test_a_reset_connection(phase: str) -> None:
    async def resets(peer: Peer) -> None:
        if phase == "body":
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            await trio.testing.wait_all_tasks_blocked()
        elif phase == "first_byte":
            await peer.request()
        peer.stream.reset()  # type: ignore[attr-defined]

    async with serving(resets) as server:
        async with open_client(network=Network(dial=server.network.connect)) as client:
            with pytest.raises(ConnectionLost):
                await client.post("http://a.test/", body=b"x" * 1_000_000)
            assert client.statistics()["origins"] == {}


async def test_refused_and_unknown() -> None:
    async with open_client(network=Network(dial=MemoryNetwork().connect)) as client:
        with pytest.raises(ConnectError) as caught:
            await client.get("http://a.test/")
        assert caught.value.phase == "connect"
        assert isinstance(caught.value.os_error, ConnectionRefusedError)

    async def unknown(host: str, port: int, family: int) -> Any:
        raise OSError(f"no such host: {host}")

    async with open_client(network=Network(resolver=unknown)) as client:
        with pytest.raises(ConnectError) as caught:
            await client.get("http://a.test/")
        assert caught.value.phase == "resolve"


async def test_a_server_that_speaks_no_tls() -> None:
    async def talks(peer: Peer) -> None:
        await peer.send(b"220 smtp.test ESMTP\r\n")
        await peer.stream.read_some()

    async with serving(talks, 443) as server:
        async with open_client(network=Network(dial=server.network.connect)) as client:
            with pytest.raises(ConnectError) as caught:
                await client.get("https://a.test/")
            assert caught.value.phase == "tls" and isinstance(caught.value.os_error, ssl.SSLError)


async def test_closing_the_client_ends_what_runs(autojump_clock: Any) -> None:
    outcomes: list[str] = []

    async def call(client: Client) -> None:
        try:
            await client.get("http://a.test/")
        except Exception as error:
            outcomes.append(type(error).__name__)

    async with serving(deaf) as server, trio.open_nursery() as nursery:
        limits = ClientLimits(max_per_origin=1)
        network = Network(dial=server.network.connect)
        async with open_client(network=network, limits=limits) as client:
            for _ in range(3):
                nursery.start_soon(call, client)
            await trio.testing.wait_all_tasks_blocked()
    assert outcomes == ["ClientClosed"] * 3


@pytest.mark.parametrize("host", ["a..b", "a" * 70, ".b", "a" * 70 + ".test", "é..b", "é" * 70])
async def test_a_name_that_idna_refuses_is_an_error_of_the_client(host: str) -> None:
    async with open_client() as client:
        for scheme in ("http", "https"):
            with pytest.raises(ClientError) as caught:
                await client.get(f"{scheme}://{host}/")
            assert caught.value.__cause__ is None and host in str(caught.value)
        with pytest.raises(ClientError):
            async with open_websocket(f"ws://{host}/", client=client):
                raise AssertionError("not reached")
    with pytest.raises(ClientError):
        async with open_client(network=Network(proxy=Proxy(url=f"http://{host}:3128"))) as client:
            await client.get("http://a.test/")


async def test_a_name_that_a_resolver_refuses() -> None:
    async def refuse(host: str, port: int, family: int) -> list[Any]:
        return [host.encode("idna")]

    async with open_client(network=Network(resolver=refuse)) as client:
        with pytest.raises(InvalidRequest, match=r"bad host name 'a\.\.b'"):
            await client.get("http://a..b/")


async def test_tls_with_a_name_that_idna_refuses() -> None:
    async with serving(answering(OK), 443) as server:
        async with open_client(network=Network(dial=server.network.connect)) as client:
            with pytest.raises(InvalidRequest, match="bad host name"):
                await client.get("https://a..b/")
