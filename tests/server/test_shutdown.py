"""A server process under load, ended by SIGTERM; and one out of descriptors. Real time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

PROGRAM = """
import resource, signal, sys
import trio
from tornado_trio.exchange import ResponseStartLine
from tornado_trio.server import serve
from tornado_trio.wire.headers import HTTPHeaders

async def app(exchange):
    if "slow" in exchange.start_line.path:
        await trio.sleep(0.3)
    body = bytes(10_000_000) if "big" in exchange.start_line.path else b"hello"
    head = ResponseStartLine("HTTP/1.1", 200, "OK")
    await exchange.write_headers(head, HTTPHeaders({"Content-Length": str(len(body))}), body)
    await exchange.finish()

async def main():
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            scope = trio.CancelScope()
            async def run(*, task_status):
                with scope:
                    await serve(app, 0, host="127.0.0.1", grace=GRACE, task_status=task_status)
            listeners = await nursery.start(run)
            print(listeners[0].address[1], flush=True)
            async for _ in signals:
                scope.cancel()
                break

limit = int(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
trio.run(main)
"""


def start(limit: int = 0, grace: float = 5) -> tuple[subprocess.Popen[bytes], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("GRACE", str(grace)), str(limit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.fixture
def kill() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


class Load(threading.Thread):
    """A keep-alive client that asks again and again, until told that it is over."""

    def __init__(self, port: int, path: bytes) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.path = path
        self.answered = 0
        self.lost = 0

    def run(self) -> None:
        sock = socket.create_connection(("127.0.0.1", self.port))
        with sock:
            while True:
                try:
                    sock.sendall(b"GET " + self.path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
                    answer = sock.recv(65536)
                except ConnectionError:
                    answer = b""
                if not answer.endswith(b"\r\n\r\nhello"):
                    self.lost += 1
                    return
                self.answered += 1
                if b"\r\nConnection: close\r\n" in answer:
                    return


def test_sigterm_under_load_loses_no_request(kill: list[subprocess.Popen[bytes]]) -> None:
    process, port = start(grace=60)
    kill.append(process)
    clients = [Load(port, path) for path in [b"/", b"/slow"] * 4]
    for client in clients:
        client.start()
    time.sleep(0.7)
    process.send_signal(signal.SIGTERM)
    for client in clients:
        client.join(20)
    assert process.wait(20) == 0  # long before the grace is over
    assert [client.lost for client in clients] == [0] * 8
    assert all(client.answered for client in clients)


def test_sigterm_with_a_client_that_does_not_read(kill: list[subprocess.Popen[bytes]]) -> None:
    process, port = start(grace=1)
    kill.append(process)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_out_of_descriptors(kill: list[subprocess.Popen[bytes]]) -> None:
    """Connections beyond the limit wait, at no cost; the others are served."""
    process, port = start(limit=40)
    kill.append(process)
    socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    try:
        time.sleep(0.3)
        before = cpu_seconds(process.pid)
        time.sleep(0.5)
        assert cpu_seconds(process.pid) - before < 0.25
        socks[0].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert socks[0].recv(65536).endswith(b"hello")
        for sock in socks[:40]:
            sock.close()
        socks[-1].settimeout(5)
        socks[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert socks[-1].recv(65536).endswith(b"hello")
    finally:
        for sock in socks:
            sock.close()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=10)
    assert errors.count(b"Too many open files") <= 2


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
