"""A rolling restart of four processes behind a load balancer, as docs/how-to/fifty-hosts.md has it.

    python benchmarks/fifty_hosts.py nginx --sockets 2000
    python benchmarks/fifty_hosts.py haproxy --sockets 2000

Websockets follow a room and come back, each after a random time that grows (`Backoff`), with the id
of the last message that they have had; HTTP clients ask all the time. Meanwhile the processes are
replaced one after the other. Counted: requests without a 200, messages that a socket has not had
once and in order, and how long sockets were away. Needs nginx or haproxy, and a Redis.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import trio

from tornado_trio import open_client
from tornado_trio.client import Client, ClientError, ClientLimits, ClientTimeouts
from tornado_trio.client.websocket import open_websocket
from tornado_trio.errors import TornadoTrioError
from tornado_trio.rooms import Rooms

HERE = Path(__file__).parent
SITE = HERE / "apps" / "rooms_site.py"
REDIS = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
PROCESSES = 4
DRAIN_DELAY = 2.5  # more than health checks need to see it
LONGEST = 2.0  # seconds that a socket waits before it tries again

NGINX = """\
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_rlimit_nofile 20000;
events {{ worker_connections 9000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream app {{ {servers} keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_connect_timeout 2s;
      proxy_read_timeout 75s;
      proxy_next_upstream error timeout;
    }}
  }}
}}
"""
HAPROXY = """\
global
  maxconn 9000
defaults
  mode http
  timeout connect 2s
  timeout client 75s
  timeout server 75s
  timeout tunnel 1h
  timeout check 3s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response
frontend front
  bind 127.0.0.1:{port} backlog 4096
  http-request disable-l7-retry unless METH_GET
  default_backend app
backend app
  balance leastconn
  option forwardfor
  option httpchk GET /ready
  http-check expect status 200
  default-server check inter 500ms fall 2 rise 1
  {servers}
"""


@dataclass
class Result:
    """What came of it."""

    balancer: str
    sockets: int
    messages: int = 0
    requests: int = 0
    #: Requests without a 200: what came instead, the first few.
    lost: list[str] = field(default_factory=list)
    #: Sockets that have had every message, once and in order.
    complete: int = 0
    wrong: list[str] = field(default_factory=list)
    reconnects: int = 0
    #: Tries that failed, of sockets that came back later.
    failed_tries: int = 0
    #: And why.
    why: dict[str, int] = field(default_factory=dict)
    #: Seconds from the end of a socket to its next one: the median and the longest.
    away_median: float = 0.0
    away_longest: float = 0.0
    seconds: float = 0.0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Fleet:
    """The four processes."""

    def __init__(self, prefix: str) -> None:
        self.ports = [free_port() for _ in range(PROCESSES)]
        self._environ = {
            **os.environ, "ROOMS": REDIS, "PREFIX": prefix, "PYTHONPATH": str(HERE.parent),
        }  # fmt: skip
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, port: int) -> None:
        options = ("--port", str(port), "--host", "127.0.0.1", "--grace", "20", "--no-access-log")
        self._processes[port] = subprocess.Popen(
            [
                *(sys.executable, "-m", "tornado_trio", "serve", f"{SITE}:main"),
                *(*options, "--drain-delay", str(DRAIN_DELAY)),
            ],
            env=self._environ,
            stderr=subprocess.DEVNULL,
        )

    async def ready(self, client: Client, port: int) -> None:
        """Until it says so."""
        with trio.fail_after(60):
            while True:
                try:
                    if (await client.get(f"http://127.0.0.1:{port}/ready")).status == 200:
                        return
                except (ClientError, OSError):
                    pass  # it does not listen yet
                await trio.sleep(0.1)

    async def replace(self, client: Client, port: int) -> None:
        """As a deployment does: end it well, start the next."""
        process = self._processes[port]
        process.send_signal(signal.SIGTERM)
        status = await trio.to_thread.run_sync(process.wait)
        assert status == 0, f"a process ended with {status}"
        self.start(port)
        await self.ready(client, port)
        await trio.sleep(1)  # balancers have seen it

    def kill(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()


@contextmanager
def balancer(name: str, ports: list[int]) -> Iterator[int]:
    """nginx or HAProxy in front of `ports`; where it listens."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "conf")
        if name == "nginx":
            servers = " ".join(f"server 127.0.0.1:{each} max_fails=0;" for each in ports)
            path.write_text(NGINX.format(folder=folder, port=port, servers=servers))
            command = ["nginx", "-p", folder, "-e", f"{folder}/error.log", "-c", str(path)]
        else:
            lines = [f"server s{each} 127.0.0.1:{each}" for each in ports]
            path.write_text(HAPROXY.format(port=port, servers="\n  ".join(lines)))
            command = ["haproxy", "-f", str(path)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port), 5).close()
                    break
                except OSError:
                    time.sleep(0.1)  # before the simulation begins: no other task waits
            yield port
        finally:
            process.terminate()
            process.wait(10)


class Crowd:
    """The clients."""

    def __init__(self, client: Client, address: str, first: str, result: Result) -> None:
        self._client = client
        self._address = address
        self._first = first
        self.result = result
        self.joined = 0
        self.heard: list[list[str]] = []
        self.away: list[float] = []
        self.expected: list[str] = []
        self._timeouts = ClientTimeouts(connect=30, first_byte=30, total=60)

    async def follow(self) -> None:
        """One socket, for ever: comes back with the last id that it has had."""
        last, heard = self._first, []
        self.heard.append(heard)
        left: float | None = None
        tries = 0
        while True:
            try:
                async with open_websocket(
                    f"ws://{self._address}/live?last={last}",
                    client=self._client,
                    timeouts=self._timeouts,
                ) as ws:
                    self.joined += 1
                    if left is not None:
                        self.away.append(trio.current_time() - left)
                    tries = 0
                    try:
                        async for text in ws:
                            message = json.loads(text)
                            last = message["id"]
                            heard.append(message["text"])
                    finally:
                        self.joined -= 1
                        left = trio.current_time()
            except (TornadoTrioError, OSError) as error:
                self.result.failed_tries += 1
                why = f"{type(error).__name__}: {error}"[:60]
                self.result.why[why] = self.result.why.get(why, 0) + 1
                left = left or trio.current_time()
            tries += 1
            await trio.sleep(min(LONGEST, 0.2 * 2**tries) * random.random())

    async def ask(self) -> None:
        """Requests without a pause."""
        while True:
            try:
                response = await self._client.get(f"http://{self._address}/page")
                if response.status != 200:
                    self.result.lost.append(str(response.status))
            except (TornadoTrioError, OSError) as error:
                self.result.lost.append(repr(error))
            self.result.requests += 1

    async def all_joined(self, count: int) -> None:
        with trio.fail_after(120):
            while self.joined < count:  # noqa: ASYNC110 - an event for each count is no better
                await trio.sleep(0.05)

    def complete(self) -> int:
        return sum(heard == self.expected for heard in self.heard)


async def publish(rooms: Rooms, crowd: Crowd, every: float) -> None:
    """Messages as long as it is not cancelled."""
    while True:
        text = f"message {len(crowd.expected)}"
        crowd.expected.append(text)
        with trio.CancelScope(shield=True):
            await rooms.publish("live", text)
        await trio.sleep(every)


@asynccontextmanager
async def running(name: str, prefix: str, sockets: int) -> AsyncIterator[tuple[Client, Fleet, int]]:
    fleet = Fleet(prefix)
    try:
        for port in fleet.ports:
            fleet.start(port)
        limits = ClientLimits(max_connections=sockets + 50, max_per_origin=sockets + 20)
        async with open_client(limits=limits) as client:
            for port in fleet.ports:
                await fleet.ready(client, port)
            with balancer(name, fleet.ports) as port:
                yield client, fleet, port
    finally:
        fleet.kill()


async def simulate(name: str, sockets: int, askers: int = 8, every: float = 0.2) -> Result:
    """Restart all four, under load. Raises what keeps it from being tried at all."""
    result = Result(name, sockets)
    prefix = f"fifty-{uuid.uuid4().hex[:8]}:"
    began = trio.current_time()
    async with (
        Rooms(REDIS, prefix=prefix, timeout=30) as rooms,
        running(name, prefix, sockets) as (client, fleet, port),
        trio.open_nursery() as nursery,
    ):
        first = await rooms.publish("live", "before")
        crowd = Crowd(client, f"127.0.0.1:{port}", first, result)
        for number in range(sockets):
            nursery.start_soon(crowd.follow)
            if number % 50 == 49:
                await crowd.all_joined(number - 49)
        await crowd.all_joined(sockets)
        async with trio.open_nursery() as load:
            load.start_soon(publish, rooms, crowd, every)
            for _ in range(askers):
                load.start_soon(crowd.ask)
            await trio.sleep(1)
            for each in fleet.ports:
                await fleet.replace(client, each)
            load.cancel_scope.cancel()
        await crowd.all_joined(sockets)
        with trio.move_on_after(30):
            while crowd.complete() < sockets:  # noqa: ASYNC110 - rarely, and at the end
                await trio.sleep(0.1)
        count_up(crowd, result)
        result.seconds = round(trio.current_time() - began, 1)
        nursery.cancel_scope.cancel()
    return result


def count_up(crowd: Crowd, result: Result) -> None:
    away = sorted(crowd.away)
    result.messages = len(crowd.expected)
    result.complete = crowd.complete()
    result.reconnects = len(away)
    result.away_median = round(away[len(away) // 2], 2) if away else 0.0
    result.away_longest = round(away[-1], 2) if away else 0.0
    result.wrong = [
        f"{len(heard)} heard, the last {heard[-1:]}"
        for heard in crowd.heard
        if heard != crowd.expected
    ][:5]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("balancer", choices=["nginx", "haproxy"])
    parser.add_argument("--sockets", type=int, default=2000)
    parser.add_argument("--askers", type=int, default=8, help="HTTP clients")
    options = parser.parse_args()
    if shutil.which(options.balancer) is None:
        sys.exit(f"{options.balancer} is not installed: there is nothing to try")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    result = trio.run(simulate, options.balancer, options.sockets, options.askers)
    print(json.dumps(asdict(result), indent=2))
    if result.lost or result.complete < result.sockets:
        sys.exit(1)


if __name__ == "__main__":
    main()
