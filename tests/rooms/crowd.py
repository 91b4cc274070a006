"""Many websockets in rooms over several processes: does everybody get all, once and in order?

    python -m tests.rooms.crowd --processes 4 --members 500 --messages 1000 --restart

`--members` are per process. Every byte that a member gets is compared with what was published and
acknowledged. `--restart`: the Redis, one of its own, is restarted in the middle.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trio

from tests.brokers import REDIS_URL, OwnRedis
from tests.ports import free_port
from tornado_trio.rooms import Rooms

ROOT = Path(__file__).parent.parent.parent
UPGRADE = (
    b"GET /live/%b HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def frame(text: str) -> bytes:
    """A text frame as a server sends it: short, not masked."""
    return bytes((0x81, len(text))) + text.encode()


@dataclass
class Result:
    """What came of it."""

    members: int = 0
    messages: int = 0
    #: Members that have had every message, once and in order.
    complete: int = 0
    #: What is wrong with the others, the first few.
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Crowd:
    """Plain sockets; each compares what comes with what is expected next."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.expected: dict[str, bytearray] = {}
        self.heard: dict[socket.socket, int] = {}
        self.rooms: dict[socket.socket, str] = {}
        self.wrong: list[str] = []

    def join(self, port: int, room: str) -> None:
        sock = socket.create_connection(("127.0.0.1", port), 30)
        sock.sendall(UPGRADE % room.encode())
        head = b""
        while not head.endswith(frame("joined")):
            head += sock.recv(1)  # not a byte of what follows
        assert head.startswith(b"HTTP/1.1 101"), head
        sock.setblocking(False)
        self.expected.setdefault(room, bytearray())
        self.heard[sock], self.rooms[sock] = 0, room
        self.selector.register(sock, selectors.EVENT_READ)

    def read(self, seconds: float) -> None:
        """Take what has come, waiting at most so long for it."""
        for key, _ in self.selector.select(seconds):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            with contextlib.suppress(BlockingIOError):
                data = sock.recv(65536)
                at, expected = self.heard[sock], self.expected[self.rooms[sock]]
                if not data or expected[at : at + len(data)] != data:
                    self.wrong.append(f"{data[:40]!r} and not {bytes(expected[at : at + 40])!r}")
                    self.selector.unregister(sock)
                self.heard[sock] = at + len(data)

    def complete(self) -> int:
        """How many have had everything so far."""
        return sum(at == len(self.expected[self.rooms[sock]]) for sock, at in self.heard.items())


@contextlib.contextmanager
def processes(count: int, url: str, prefix: str) -> Iterator[list[int]]:
    """Servers; their ports."""
    ports = [free_port() for _ in range(count)]
    program = [sys.executable, "-m", "tests.rooms.crowd_server"]
    started = [subprocess.Popen([*program, str(p), url, prefix], cwd=ROOT) for p in ports]
    try:
        for port, process in zip(ports, started, strict=True):
            deadline = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert process.poll() is None and time.monotonic() < deadline
                    time.sleep(0.05)
        yield ports
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


async def talk(crowd: Crowd, url: str, prefix: str, messages: int, redis: OwnRedis | None) -> None:
    """Publish to all rooms in turn; what is acknowledged is expected. Restart `redis` half way."""
    names = list(crowd.expected)
    async with Rooms(url, prefix=prefix, history=5000, timeout=30) as rooms:

        async def restart() -> None:
            assert redis is not None
            await trio.to_thread.run_sync(redis.stop)
            await trio.sleep(0.5)
            await trio.to_thread.run_sync(redis.start)

        async with trio.open_nursery() as nursery:
            for number in range(messages):
                if redis is not None and number == messages // 2:
                    nursery.start_soon(restart)
                room = names[number % len(names)]
                text = f"message {number:06}"
                # Expected already when it is told, which may be before it is acknowledged.
                crowd.expected[room] += frame(text)
                await rooms.publish(room, text)
                crowd.read(0)


def run(
    count: int, members: int, messages: int, rooms: int, url: str, redis: OwnRedis | None = None
) -> Result:
    """`members` in each of `count` processes, spread over `rooms`."""
    wanted = count * members + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    prefix = f"crowd-{uuid.uuid4().hex}"
    crowd = Crowd()
    with processes(count, url, prefix) as ports:
        for number in range(members):
            for port in ports:
                crowd.join(port, f"room{number % rooms}")
        begun = time.monotonic()
        trio.run(talk, crowd, url, prefix, messages, redis)
        heard = time.monotonic()
        while crowd.complete() < len(crowd.heard) - len(crowd.wrong):
            before = sum(crowd.heard.values())
            crowd.read(1)
            if sum(crowd.heard.values()) > before:
                heard = time.monotonic()
            elif time.monotonic() - heard > 20:
                break
        seconds = time.monotonic() - begun
        # And nothing more.
        quiet = time.monotonic() + 0.5
        while time.monotonic() < quiet:
            crowd.read(0.1)
        complete = crowd.complete()
        for sock in crowd.heard:
            sock.close()
    return Result(len(crowd.heard), messages, complete, crowd.wrong[:5], seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--members", type=int, default=500)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rooms", type=int, default=1)
    parser.add_argument("--restart", action="store_true")
    options = parser.parse_args()
    arguments = (options.processes, options.members, options.messages, options.rooms)
    if options.restart:
        with tempfile.TemporaryDirectory() as folder, OwnRedis(Path(folder)) as redis:
            print(run(*arguments, redis.url, redis))
    else:
        print(run(*arguments, REDIS_URL))


if __name__ == "__main__":
    main()
