"""Name lookups."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import trio

from tornado_trio.net.connect import resolve


class Resolver(trio.abc.HostnameResolver):
    """Knows one address for every name."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def getaddrinfo(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port))]

    async def getnameinfo(self, *args: Any) -> Any:
        raise NotImplementedError


async def test_lookups_need_none_of_the_programs_threads() -> None:
    limiter = trio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 1
    async with limiter:
        with trio.fail_after(30):
            assert (socket.AF_INET, ("127.0.0.1", 80)) in await resolve("localhost", 80)


async def test_an_address_needs_no_thread() -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    assert await resolve("127.0.0.1", 80) == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert await resolve("::1", 80) == [(socket.AF_INET6, ("::1", 80, 0, 0))]


async def test_trio_s_resolver_is_asked() -> None:
    resolver = Resolver()
    trio.socket.set_custom_hostname_resolver(resolver)
    assert await resolve("bücher.example", 80) == [(socket.AF_INET, ("10.0.0.1", 80))]
    assert resolver.asked == [b"xn--bcher-kva.example"]
    assert trio.socket.set_custom_hostname_resolver(None) is resolver


async def test_names_that_cannot_be() -> None:
    with pytest.raises(UnicodeError):
        await resolve("a..bü", 80)
