"""The end of a service by signals, over sockets and in processes of their own. Real time.

A second signal does not wait for the grace, which is longer than any test may take.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from tornado_trio.server.second_signal import second_signal

PROGRAM = """
import logging, signal, sys, time
import trio
from tornado_trio import serve, web

logging.basicConfig(format="%(message)s")

class Handler(web.RequestHandler):
    async def get(self, how):
        print("begun", flush=True)
        if how == "sleep":
            await trio.sleep(600)
        elif how == "thread":
            await trio.to_thread.run_sync(time.sleep, 3)
        elif how == "shield":
            with trio.CancelScope(shield=True):
                await trio.sleep(3)

app = web.Application([("/(.*)", Handler)])

async def serving(*, task_status=trio.TASK_STATUS_IGNORED):
    await serve(app, 0, host="127.0.0.1", grace=300, task_status=task_status)

class Started:
    def started(self, listeners):
        print(listeners[0].address[1], flush=True)

async def plain():
    await serve(app, 0, host="127.0.0.1", grace=300, task_status=Started())

async def nested():
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(serving)
        print(listeners[0].address[1], flush=True)

async def receiving():
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(serving)
        print(listeners[0].address[1], flush=True)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                print("told", flush=True)
                nursery.cancel_scope.cancel()
                break

async def two():
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(serving)
        await nursery.start(serving)
        print(listeners[0].address[1], flush=True)

trio.run(globals()[sys.argv[1]])
"""


class Process:
    """A service with one request under way."""

    def __init__(self, main: str, how: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, main],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.popen.stdout is not None
        port = int(self.popen.stdout.readline())
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.sendall(f"GET /{how} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert self.popen.stdout.readline() == "begun\n"
        time.sleep(0.2)  # until it waits: Ctrl-C would be raised in its code else
        self.port = port

    def signal(self, number: int) -> None:
        """Send it, and wait until it has had its effect: nothing is accepted any more."""
        self.popen.send_signal(number)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                return
            self.popen.poll()
            time.sleep(0.01)
        raise AssertionError("it still accepts")


@pytest.fixture
def start() -> Iterator[Any]:
    processes: list[Process] = []

    def make(main: str, how: str = "sleep") -> Process:
        processes.append(Process(main, how))
        return processes[-1]

    yield make
    for process in processes:
        process.sock.close()
        process.popen.kill()
        process.popen.communicate()


@pytest.mark.parametrize("main", ["plain", "nested", "two"])
def test_ctrl_c_twice(start: Any, main: str) -> None:
    process = start(main)
    process.signal(signal.SIGINT)
    process.popen.send_signal(signal.SIGINT)
    _, errors = process.popen.communicate(timeout=30)
    assert process.popen.returncode in (-signal.SIGINT, 130, 1)
    assert "told to stop at once" in errors and "does not end" not in errors
    answer = process.sock.recv(65536)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 503 ")
    # From `serve` itself bare; a nursery of the program's own puts it into a group.
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert ("ExceptionGroup" in errors) == (main != "plain")


@pytest.mark.parametrize("numbers", [(15, 2), (2, 2)])
def test_a_program_that_handles_its_signals(start: Any, numbers: tuple[int, int]) -> None:
    process = start("receiving")
    process.signal(numbers[0])
    assert process.popen.stdout.readline() == "told\n"
    process.popen.send_signal(numbers[1])
    _, errors = process.popen.communicate(timeout=30)
    assert "told to stop at once" in errors


@pytest.mark.parametrize("how", ["thread", "shield"])
def test_what_cannot_be_cancelled_is_named(start: Any, how: str) -> None:
    process = start("plain", how)
    process.signal(signal.SIGINT)
    process.popen.send_signal(signal.SIGINT)
    _, errors = process.popen.communicate(timeout=30)
    assert re.search(
        rf"does not end: request [0-9a-f-]{{15}}: GET /{how} \(127.0.0.1\), "
        r"route /\(\.\*\) \(__main__.Handler\), [0-9.]+ s, waits in <string>:\d+ in get",
        errors,
    ), errors


# --- in this process -----------------------------------------------------------------------


async def test_handlers_are_called_and_restored() -> None:
    called: list[str] = []

    def before(number: int, frame: object) -> None:
        called.append("before")

    original = signal.signal(signal.SIGTERM, before)
    try:
        with second_signal(lambda: called.append("outer")):
            with second_signal(lambda: called.append("inner")):
                signal.raise_signal(signal.SIGTERM)
                await trio.sleep(0.01)
            assert sorted(called) == ["before", "inner", "outer"]
            called.clear()
            signal.raise_signal(signal.SIGTERM)
            await trio.sleep(0.01)
            assert sorted(called) == ["before", "outer"]
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, original)


async def test_what_the_program_sets_meanwhile_stays() -> None:
    original = signal.signal(signal.SIGTERM, lambda *args: None)
    try:
        with second_signal(lambda: None):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        with second_signal(lambda: None):
            # The system's default ends the process: nothing is faster.
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, original)


async def test_elsewhere_than_in_the_main_thread_nothing_is_touched() -> None:
    async def inside() -> object:
        with second_signal(lambda: None):
            return signal.getsignal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    assert await trio.to_thread.run_sync(trio.run, inside) is before
