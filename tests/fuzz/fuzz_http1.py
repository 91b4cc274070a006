"""Fuzzing of the parser seam, and of the whole server, without end or for so many seconds.

    python tests/fuzz/fuzz_http1.py [--seconds 30] [--seed 1]
    python tests/fuzz/fuzz_http1.py --atheris [libFuzzer arguments]

Starts from the corpus of tests/server and mutates it. What must hold: the wire raises
nothing but `PeerError`, always makes progress, and reads the same however the bytes are
cut; the server answers nothing with a 5xx (but 501 and 505) and ends every connection.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

import trio
from trio.testing import MockClock

sys.path.insert(0, str(Path(__file__).parents[1]))

from server.apps import echo
from server.corpus import cases

from tornado_trio.errors import PeerError
from tornado_trio.limits import Limits
from tornado_trio.server import ServerOptions
from tornado_trio.testing import memory_server
from tornado_trio.wire.events import RequestHead, ResponseHead, Signal
from tornado_trio.wire.headers import HTTPHeaders
from tornado_trio.wire.http1 import ClientWire, ServerWire

LIMITS = Limits(max_body_size=1_000_000)
SEEDS = [case[1] for case in cases() if len(case[1]) < 2000]
TOKENS = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b'"', b"0", b"-1", b"chunked", b"\xff",  # noqa: E501
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"HTTP/1.0", b"ffffffff",  # noqa: E501
]  # fmt: skip


def mutate(rng: random.Random, data: bytes) -> bytes:
    """A few random edits: flips, cuts, repeats, foreign pieces."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(out):
            out[at] = rng.randrange(256)
        elif kind == 1:
            del out[at : at + rng.randint(1, 8)]
        elif kind == 2:
            out[at:at] = rng.choice(TOKENS)
        elif kind == 3:
            out[at:at] = out[at : at + rng.randint(1, 40)]
        else:
            other = rng.choice(SEEDS)
            cut = rng.randrange(len(other) + 1)
            out[at:] = other[cut:]
    return bytes(out)


def server_events(data: bytes, cuts: list[int]) -> list[object]:
    """What the server's wire makes of `data`, fed in pieces that end at `cuts`."""
    wire = ServerWire(LIMITS)
    events: list[object] = []
    body = b""
    start = 0
    try:
        for end in [*cuts, len(data)]:
            if end <= start:
                continue
            wire.feed(data[start:end])
            start = end
            for _ in range(100_000):
                event = wire.next_event()
                if isinstance(event, bytes):
                    assert event
                    body += event
                elif isinstance(event, RequestHead):
                    events.append((event.start_line, sorted(event.headers.get_all())))
                elif event is Signal.NEED_DATA:
                    break
                elif event is Signal.PAUSED:
                    if not wire.next_cycle():
                        return [*events, body, "closed"]
                else:
                    events.append("end")
            else:
                raise AssertionError("no progress")
    except PeerError as exc:
        # Which of two faults is seen first depends on what has arrived.
        events.append("refused")
        assert 400 <= exc.status < 500 or exc.status in (501, 505)
        return events  # how much of a body came out before does not matter
    return [*events, body]


def one_input(data: bytes, rng: random.Random) -> None:
    """Both roles of the wire on one input."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(6)))
    whole = server_events(data, [])
    assert server_events(data, cuts) == whole, (data, cuts)
    client = ClientWire(LIMITS)
    client.request_head("GET", "/", HTTPHeaders({"Host": "a"}))
    client.feed(data)
    client.feed(b"")
    try:
        while isinstance(client.next_event(), (bytes, ResponseHead)):
            pass
    except PeerError:
        pass  # what bad input is answered with


async def whole_server(inputs: list[bytes]) -> None:
    """Each input as a connection: answered sanely, then over."""
    async with memory_server(echo, ServerOptions(limits=LIMITS)) as server:
        for data in inputs:
            client = await server.connect()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.stream.send_all, data)
                await trio.sleep(0.001)
                nursery.cancel_scope.cancel()
            await client.stream.send_eof()
            answer = await client.rest()
            assert not answer or answer.startswith(b"HTTP/1.1 "), (data, answer)
            assert b"HTTP/1.1 500" not in answer, (data, answer)
            client.stream.close()
        await trio.sleep(30)
        assert not server.server.connections


def run(seconds: float, seed: int) -> int:
    """Fuzz for a while; how many inputs were tried."""
    rng = random.Random(seed)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        inputs = [mutate(rng, rng.choice(SEEDS)) for _ in range(200)]
        for data in inputs:
            one_input(data, rng)
        trio.run(whole_server, inputs[:20], clock=MockClock(autojump_threshold=0))
        count += len(inputs)
    return count


def run_atheris(arguments: list[str]) -> None:
    """Coverage-guided, for as long as libFuzzer is told to."""
    import atheris

    def test(data: bytes) -> None:
        one_input(data, random.Random(len(data)))

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments], test)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--atheris", action="store_true")
    options, rest = parser.parse_known_args()
    if options.atheris:
        run_atheris(rest)
    else:
        count = run(options.seconds, options.seed)
        print(f"{count} inputs in {options.seconds} s, seed {options.seed}: nothing found")


if __name__ == "__main__":
    main()
