"""Random operations in both directions at once: what goes in comes out, whatever the sizes."""

from __future__ import annotations

import random
import re

import pytest
import trio

from tornado_trio.net import Stream

Pair = tuple[Stream, Stream]


async def send(stream: Stream, data: bytes, choose: random.Random) -> None:
    at = 0
    while at < len(data):
        size = choose.choice([1, 10, 1000, 20_000, 100_000])
        piece = choose.choice([bytes, bytearray, memoryview])(data[at : at + size])
        at += size
        if choose.random() < 0.5:
            await stream.send_all(piece)
        elif not stream.write(piece) and choose.random() < 0.5:
            await stream.drain()
    await stream.drain()


async def read(stream: Stream, rest: bytes, choose: random.Random) -> bytes:
    size = choose.randrange(1, len(rest) + 1)
    match choose.randrange(6):
        case 0:
            return await stream.read_exactly(size)
        case 1:
            return await stream.read_some(size)
        case 2 if b"\n" in rest:
            return await stream.read_until(b"\n")
        case 3 if re.search(rb"[ab]{2}", rest):
            return await stream.read_until_regex(rb"[ab]{2}")
        case 4:
            target, partial = bytearray(size), choose.random() < 0.5
            count = await stream.read_into(target, partial=partial)
            assert partial or count == size
            return bytes(target[:count])
        case _:
            with trio.move_on_after(0):  # given up at once, and nothing is lost
                return await stream.read_exactly(size)
            data = await stream.read_some()
            stream.unread(data[1:])
            return data[:1]


async def receive(stream: Stream, data: bytes, choose: random.Random) -> None:
    at = 0
    while at < len(data):
        piece = await read(stream, data[at:], choose)
        assert piece and data.startswith(piece, at)
        at += len(piece)


@pytest.mark.parametrize("seed", range(6))
async def test_random(pair: Pair, seed: int) -> None:
    choose = random.Random(seed)
    async with trio.open_nursery() as nursery:
        if choose.random() < 0.5:
            pair[0].nursery = pair[1].nursery = nursery
        for sender, receiver in (pair, pair[::-1]):
            sender.max_write_buffer_size = None
            data = bytes(choose.choices(b"abcdefgh\n", k=choose.randrange(1, 150_000)))
            nursery.start_soon(send, sender, data, random.Random(seed))
            nursery.start_soon(receive, receiver, data, random.Random(seed + 1))
