"""Inspection of a service: of a single process, and of workers, which their parent queries.

Knows `observe`, which provides the data, and the socket pair between a worker and its parent:
queries and answers are lines of JSON, each query has a number. A worker also sends its counts when
it ends, so that nothing is missing after it was replaced.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import trio

from ..observe import Family, Inspector, LocalSource
from ..observe.dump import dump_on_signal
from ..observe.families import add_up
from ..observe.prometheus import shared_families
from ..observe.serving import bind, serve_pages
from .errors import CannotStart
from .kinds import Main
from .lifetime import Service
from .settings import Settings

if TYPE_CHECKING:
    from .process import WorkerProcess

__all__ = ["WorkersInspection", "inspect_here", "inspect_worker"]

ANSWER_WITHIN = 1.0  # seconds; a worker that needs longer is shown as one that does not answer
KEEP_EVERY = 5.0  # seconds between looks at the counts of workers, should one be killed
LAST_WORD = 1.0  # seconds that a worker's end may be held up by telling what it has counted


def _sockets(settings: Settings) -> list[socket.socket]:
    assert settings.inspect is not None
    try:
        return bind(settings.inspect, settings.inspect_token)
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CannotStart(f"inspect={settings.inspect}: {reason}", 2) from None


def _inspector(service: Service) -> Inspector:
    service.inspector = Inspector(
        lambda: service.servers,
        number=service.number,
        state=lambda: service.state,
    )
    return service.inspector


def inspect_here(service: Service) -> Main:
    """Inspect a single process; returns what is to run beside it. CannotStart: not on that
    address."""
    inspector = _inspector(service)
    sockets = _sockets(service.settings)

    async def inspection() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inspector.run, name="inspector")
            nursery.start_soon(dump_on_signal, inspector, name="SIGUSR1")
            nursery.start_soon(
                serve_pages,
                LocalSource(inspector),
                sockets,
                service.settings.inspect_token,
                name="inspection pages",
            )

    return inspection


# --- a worker ----------------------------------------------------------------------------------


def inspect_worker(service: Service, fd: int) -> Main:
    """Answer the parent's queries; returns what is to run beside a worker's service."""
    os.set_inheritable(fd, False)
    sock = socket.socket(fileno=fd)
    inspector = _inspector(service)

    def counted() -> list[Any]:
        return [family.as_json() for family in inspector.families()]

    async def answer(stream: trio.SocketStream) -> None:
        async for question in _lines(stream):
            number = question.pop("number")
            what = question.pop("what")
            data = counted() if what == "families" else inspector.state(**question)
            await _send(stream, {"number": number, "data": data})

    async def inspection() -> None:
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(inspector.run, name="inspector")
                nursery.start_soon(dump_on_signal, inspector, name="SIGUSR1")
                await answer(stream)
        finally:
            with trio.move_on_after(LAST_WORD, shield=True):
                # An answer that was cut short by the end is a line of its own.
                await _send(stream, {"number": 0, "data": counted()}, before=b"\n")
            await trio.aclose_forcefully(stream)

    return inspection


async def _send(stream: trio.SocketStream, message: Any, before: bytes = b"") -> None:
    try:
        await stream.send_all(before + json.dumps(message).encode() + b"\n")
    except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
        pass  # the other side has gone, and needs no answer


async def _lines(stream: trio.SocketStream) -> AsyncIterator[Any]:
    """What is said over `stream`, until the other side has gone."""
    parts: list[bytes] = []
    while True:
        try:
            data = await stream.receive_some(65536)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        if not data:
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = b"".join([*parts, line])
            parts = []
            try:
                message = json.loads(whole)
            except ValueError:
                continue  # cut short by the end of a worker, or the empty line before its last
            yield message
        parts.append(rest)


# --- their parent --------------------------------------------------------------------------------


class _Answers:
    """One worker, asked over its socket. `run` is its task."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self.counted: list[Family] = []
        self.silent_since: float | None = None
        assert worker.inspection is not None
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(worker.inspection))
        self._asked = 0
        self._waiting: dict[int, tuple[trio.Event, list[Any]]] = {}
        self._turn = trio.Lock()

    async def run(self) -> None:
        """Read answers until the worker has gone."""
        async for message in _lines(self._stream):
            self.silent_since = None
            if message["number"] == 0:
                self.counted = [Family.from_json(each) for each in message["data"]]
            elif (waiting := self._waiting.pop(message["number"], None)) is not None:
                event, box = waiting
                box.append(message["data"])
                event.set()
        for event, _ in self._waiting.values():
            event.set()
        await trio.aclose_forcefully(self._stream)

    async def ask(self, what: str, **question: Any) -> Any:
        """Query the worker; None: it does not answer now."""
        self._asked += 1
        number, event, box = self._asked, trio.Event(), []  # type: ignore[var-annotated]
        self._waiting[number] = (event, box)
        began = time.monotonic()
        with trio.move_on_after(ANSWER_WITHIN):
            async with self._turn:
                await _send(self._stream, {"number": number, "what": what, **question})
            await event.wait()
        self._waiting.pop(number, None)
        if not box:
            self.silent_since = self.silent_since or began
            return None
        return box[0]

    async def count(self) -> None:
        """Query its counts, and keep them."""
        data = await self.ask("families")
        if data is not None:
            self.counted = [Family.from_json(each) for each in data]

    def silence(self) -> dict[str, Any]:
        """Reported instead of its state."""
        silent = time.monotonic() - (self.silent_since or time.monotonic())
        worker: Any = self.worker  # has no fields to a checker for systems that cannot fork
        return {
            "number": worker.number,
            "pid": worker.pid,
            "state": worker.state,
            "silent": max(silent, 0.001),
        }


class WorkersInspection:
    """The data source of a parent's page, covering all its workers. `run` is its task.

    Args:
      settings: where it listens.
      statistics: `Supervisor.statistics`.

    Raises:
      CannotStart: it cannot listen there.
    """

    def __init__(self, settings: Settings, statistics: Callable[[], dict[str, Any]]) -> None:
        self._sockets = _sockets(settings)
        self._token = settings.inspect_token
        self._statistics = statistics
        self._workers: list[_Answers] = []
        self._gone: list[Family] = []  # counted by workers that have ended

    async def run(self) -> None:
        """Serve the pages, and keep the counts of workers."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_pages, self, self._sockets, self._token)
            while True:
                await trio.sleep(KEEP_EVERY)
                await self._count()

    async def attend(self, worker: WorkerProcess) -> None:
        """Include this worker until it has gone."""
        answers = _Answers(worker)
        self._workers.append(answers)
        try:
            await answers.run()
        finally:
            self._workers.remove(answers)
            lasting = [each for each in answers.counted if each.kind in ("counter", "histogram")]
            self._gone = add_up([self._gone, lasting])

    async def _count(self) -> None:
        async with trio.open_nursery() as nursery:
            for answers in list(self._workers):
                nursery.start_soon(answers.count)

    async def families(self) -> list[Family]:
        """The metrics of all workers, including those that have ended, and the number of
        workers."""
        await self._count()
        statistics = self._statistics()
        states = [worker["state"] for worker in statistics["workers"]]
        workers = Family("tornado_workers", "gauge", "Worker processes, by state.")
        for state in ("starting", "running", "ready", "stopping"):
            workers.add(states.count(state), state=state)
        restarts = Family(
            "tornado_worker_restarts_total", "counter", "Workers that died and were replaced."
        ).add(statistics["restarts"])
        return add_up(
            [
                self._gone,
                *(answers.counted for answers in self._workers),
                [workers, restarts],
                shared_families(),
            ]
        )

    async def states(self, **question: Any) -> list[dict[str, Any]]:
        """The state that each worker reports."""
        found: list[dict[str, Any]] = []

        async def ask(answers: _Answers) -> None:
            state = await answers.ask("state", **question)
            found.append(answers.silence() if state is None else state)

        async with trio.open_nursery() as nursery:
            for answers in list(self._workers):
                nursery.start_soon(ask, answers)
        return sorted(found, key=lambda state: (state["number"], state["pid"]))
