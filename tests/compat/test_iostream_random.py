"""Random operations of `IOStream` in both directions at once, plain and encrypted."""

import compat  # noqa: F401, I001 - activates the overlay

import asyncio
import random
import re
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from tornado.iostream import IOStream


async def send(stream: IOStream, data: bytes, choose: random.Random) -> None:
    at = 0
    pending = []
    while at < len(data):
        size = choose.choice([1, 10, 1000, 20_000, 100_000])
        pending.append(
            stream.write(choose.choice([bytes, bytearray, memoryview])(data[at : at + size]))
        )
        at += size
        if choose.random() < 0.5:
            await pending[-1]
    await asyncio.gather(*pending)


async def read(stream: IOStream, rest: bytes, choose: random.Random) -> bytes:
    size = choose.randrange(1, len(rest) + 1)
    match choose.randrange(5):
        case 0:
            return await stream.read_bytes(size)
        case 1 if b"\n" in rest:
            return await stream.read_until(b"\n")
        case 2 if re.search(rb"[ab]{2}", rest):
            return await stream.read_until_regex(rb"[ab]{2}")
        case 3:
            target, partial = bytearray(size), choose.random() < 0.5
            count = await stream.read_into(target, partial=partial)
            assert partial or count == size
            return bytes(target[:count])
        case _:
            return await stream.read_bytes(size, partial=True)


async def receive(stream: IOStream, data: bytes, choose: random.Random) -> None:
    at = 0
    while at < len(data):
        piece = await read(stream, data[at:], choose)
        assert piece and data.startswith(piece, at)
        at += len(piece)


async def stream_pair(choose: random.Random, options: dict[str, Any] | None) -> list[IOStream]:
    streams = []
    for sock in socket.socketpair():
        if choose.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        streams.append(IOStream(sock, read_chunk_size=choose.choice([None, 7, 100, 5000])))
    if options is None:
        return streams
    client, server = streams
    return await asyncio.gather(
        client.start_tls(False, {"cert_reqs": ssl.CERT_NONE}), server.start_tls(True, options)
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("encrypted", [False, True])
def test_random(seed: int, encrypted: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    if encrypted:
        certificate = trustme.CA().issue_cert("localhost")
        certificate.private_key_and_cert_chain_pem.write_to_path(path)

    async def main() -> None:
        choose = random.Random(seed)
        pair = await stream_pair(choose, {"certfile": str(path)} if encrypted else None)
        tasks = []
        for sender, receiver in (pair, pair[::-1]):
            data = bytes(choose.choices(b"abcdefgh\n", k=choose.randrange(1, 150_000)))
            tasks.append(send(sender, data, random.Random(seed)))
            tasks.append(receive(receiver, data, random.Random(seed + 1)))
        await asyncio.wait_for(asyncio.gather(*tasks), 20)
        ended = pair[0].read_until_close()
        pair[1].close()
        assert await ended == b""

    asyncio.run(main())
