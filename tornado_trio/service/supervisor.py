"""The parent of workers: starts, supervises and replaces them, and ends with them.

Knows `WorkerProcess`, signals, and the policy of restarts. Must not know what is served: the
program is loaded by the workers alone, so that each replacement runs what is on disk.

    SIGTERM, SIGINT      drain all workers, and end; a second one cuts them
    SIGHUP               replace all workers, one by one, new ones first
    SIGTTIN, SIGTTOU     one worker more, one worker less
    SIGUSR1              each worker shows its tasks (where `inspect` is set)
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import trio

from .._util.troubles import Trouble
from ..net import systemd
from .board import Board
from .bound import BoundSockets
from .channel import Message
from .errors import CannotStart
from .hosting import announce, keep_watchdog
from .logs import set_up_logging
from .process import WorkerProcess, check_restartable
from .restarts import RestartPolicy
from .settings import Settings
from .surroundings import has_terminal, is_first_process, reap_orphans
from .watching import watch_life

if TYPE_CHECKING:
    from .inspection import WorkersInspection

if sys.platform == "win32":
    raise ImportError("Windows passes no descriptors")

__all__ = ["Supervisor", "supervise"]

logger = logging.getLogger("tornado_trio.service")

CUT_WITHIN = 1.0
SPARE = 2.0  # seconds more than a worker's own patience
RELOAD_GRACE = 1.0
_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGTTIN", "SIGTTOU", "SIGCHLD")


def supervise(settings: Settings) -> None:
    """Run workers until stopped. Raises CannotStart, or SystemExit with another status."""
    check_restartable()
    set_up_logging(settings)
    supervisor = Supervisor(settings)
    try:
        trio.run(supervisor.run)
    finally:
        supervisor.close()
    if supervisor.error is not None:
        raise supervisor.error
    if supervisor.status:
        raise SystemExit(supervisor.status)


class Supervisor:
    """Supervises the workers.

    Attributes:
      workers: the current ones, by number.
      retiring: those that were replaced, and still drain.
      restarts: how many died and were replaced.
      status: the exit status to end with.
      error: why the service failed, for one line.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.workers: dict[int, WorkerProcess] = {}
        self.retiring: set[WorkerProcess] = set()
        self.restarts = 0
        self.status = 0
        self.error: CannotStart | None = None
        self.policy = RestartPolicy()
        self._board = Board.create()
        self._sockets = BoundSockets()
        self._announced: set[str] = set()
        self._signals: list[signal.Signals] = []
        self._ever_ready = False
        self._rolling = trio.Lock()  # one worker at a time
        self._rolls = trio.Lock()
        self._roll_is_due = False
        self._nursery: trio.Nursery | None = None
        self._terminal = has_terminal()
        self._inspection: WorkersInspection | None = None
        if settings.inspect is not None:
            from .inspection import WorkersInspection

            self._inspection = WorkersInspection(settings, self.statistics)

    def __repr__(self) -> str:
        return f"<Supervisor {list(self.workers.values())}>"

    def close(self) -> None:
        """Close the sockets and the board."""
        self._sockets.close()
        self._board.close()

    def statistics(self) -> dict[str, Any]:
        """For inspection pages: restarts, and the row of each worker."""
        return {
            "restarts": self.restarts,
            "workers": [
                {
                    "number": worker.number,
                    "pid": worker.pid,
                    "state": worker.state,
                    "age": worker.age,
                    "connections": worker.row.connections,
                    "requests": worker.row.requests,
                }
                for worker in self._alive()
            ],
        }

    @property
    def stopping(self) -> bool:
        return bool(self._signals)

    def _alive(self) -> list[WorkerProcess]:
        every = dict.fromkeys([*self.workers.values(), *self.retiring])
        return [worker for worker in every if worker.state != "dead"]

    # --- the run -------------------------------------------------------------------------------
    async def run(self) -> None:
        """Run until no worker is left."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self._hear_signals)
            # In development no worker counts as hanging: a debugger may be attached.
            timeout = 0.0 if self.settings.reload else self.settings.worker_timeout
            nursery.start_soon(watch_life, self._alive, self._reap, timeout)
            nursery.start_soon(keep_watchdog)
            if self._inspection is not None:
                nursery.start_soon(self._inspection.run)
            try:
                for number in range(1, self.settings.worker_count + 1):
                    self._put(self._spawn(number))
            except CannotStart as error:
                self._fail(error)
            if self.settings.reload:
                from .reload import watch_source

                nursery.start_soon(watch_source, self.reload)

    def _end_if_empty(self) -> None:
        if not self._alive() and (self.stopping or not self.workers):
            assert self._nursery is not None
            self._nursery.cancel_scope.cancel()

    def _spawn(self, number: int) -> WorkerProcess:
        assert self._nursery is not None
        inspection = self._inspection
        worker = WorkerProcess(number, self._board, self._bind, inspected=inspection is not None)
        self._nursery.start_soon(worker.attend, self._told)
        if inspection is not None:
            self._nursery.start_soon(inspection.attend, worker)
        return worker

    def _put(self, worker: WorkerProcess) -> WorkerProcess | None:
        """`worker` is the one of its number from now on; the one before, if alive, retires."""
        before = self.workers.get(worker.number)
        self.workers[worker.number] = worker
        self.retiring.discard(worker)
        if before is None or before.state == "dead":
            return None
        self.retiring.add(before)
        return before

    def _retire(self, worker: WorkerProcess) -> None:
        """Have a worker drain and end, within its patience."""
        assert self._nursery is not None
        self.retiring.add(worker)
        worker.stop()
        self._nursery.start_soon(self._kill_after, worker, worker.patience + SPARE)

    def _bind(self, question: Message) -> list[socket.socket]:
        if self.stopping:
            raise CannotStart("the service is ending")
        return self._sockets.bind(question)

    # --- what workers say, and how they end --------------------------------------------------
    def _told(self, worker: WorkerProcess, message: Message) -> None:
        match message["op"]:
            case "ready":
                self._ready(worker, message)
            case "recycle" if self.workers.get(worker.number) is worker:
                logger.info(
                    "worker %d (pid %d) has answered %d requests, and is replaced",
                    worker.number, worker.pid, message["requests"],
                )  # fmt: skip
                assert self._nursery is not None
                self._nursery.start_soon(self._replace, worker.number)

    def _ready(self, worker: WorkerProcess, message: Message) -> None:
        text = repr((message["addresses"], message["tls"]))
        if text not in self._announced:
            self._announced.add(text)
            addresses = [tuple(a) if isinstance(a, list) else a for a in message["addresses"]]
            announce(addresses, message["tls"])
        if self._ever_ready:
            logger.info(
                "worker %d (pid %d) is ready, %.2f s after its start",
                worker.number, worker.pid, worker.age,
            )  # fmt: skip
        elif all(w.state == "ready" for w in self.workers.values()):
            self._ever_ready = True
            count = len(self.workers)
            logger.info("%d %s ready", count, "worker is" if count == 1 else "workers are")
            systemd.notify("READY=1")

    def _reap(self) -> None:
        """Find who has ended."""
        for worker in self._alive():
            if worker.reap():
                self._ended(worker)
        if is_first_process():
            reap_orphans({worker.pid for worker in self._alive()})

    def _ended(self, worker: WorkerProcess) -> None:
        self.retiring.discard(worker)
        current = self.workers.get(worker.number) is worker
        if self.stopping or worker.told_to_stop or not current:
            self._end_if_empty()
        elif worker.failure is not None and not (self._ever_ready or self._tolerant(worker)):
            self._fail(_failure_of(worker))
        elif worker.status and worker.status > 0 and not (self._ever_ready or self.settings.reload):
            self._fail(CannotStart(f"worker {worker.number} {worker.end} before it was ready"))
        elif worker.status == 0 and not worker.left_by_itself:
            logger.info("worker %d (pid %d) has done its work", worker.number, worker.pid)
            del self.workers[worker.number]
            self._end_if_empty()
        else:
            self._restart(worker)

    def _tolerant(self, worker: WorkerProcess) -> bool:
        """While developing, a program that does not load is waited for; but not a port."""
        failure = worker.failure
        return self.settings.reload and failure is not None and failure["trace"] is not None

    def _restart(self, worker: WorkerProcess) -> None:
        number = worker.number
        if worker.failure is not None:
            _show(worker.failure)
        if self.settings.reload:
            logger.error("the program %s; waiting for a change", worker.end)
            return
        oldest = max((other.age for other in self._alive()), default=0.0)
        delay = self.policy.died(number, worker.age, oldest)
        if delay is None:
            logger.critical(
                "worker %d (pid %d) %s; workers die as soon as they are started: giving up",
                number, worker.pid, worker.end,
            )  # fmt: skip
            self._stop_all(1)
            return
        when = f" in {delay:g} s" if delay else ""
        logger.error(
            "worker %d (pid %d) %s; another is started%s", number, worker.pid, worker.end, when
        )
        self.restarts += 1
        assert self._nursery is not None
        self._nursery.start_soon(self._start_again, worker, delay)

    async def _start_again(self, dead: WorkerProcess, delay: float) -> None:
        await trio.sleep(delay)
        while not self.stopping and self.workers.get(dead.number) is dead:
            try:
                self._put(self._spawn(dead.number))
            except CannotStart as error:  # the system has no room for another process
                logger.error("%s; it is tried again in %g s", error, self.policy.longest)
                await trio.sleep(self.policy.longest)

    def _fail(self, error: CannotStart) -> None:
        """The service has failed for good."""
        if self.error is None and not self.status:
            self.error = error
            self._stop_all(error.status)

    # --- replacing ---------------------------------------------------------------------------
    async def _replace(self, number: int) -> bool:
        """Put a new worker in the place of one, which drains when the new one is ready."""
        async with self._rolling:
            if self.stopping or number not in self.workers:
                return True  # there is nothing to replace any more
            try:
                new = self._spawn(number)
            except CannotStart as error:
                logger.error("%s", error)
                return False
            self.retiring.add(new)  # not yet in office, but to be ended with the others
            await new.settled.wait()
            if new.state == "dead":
                if new.failure is not None:
                    _show(new.failure)
                return self.stopping
            if number not in self.workers:  # SIGTTOU came meanwhile
                self._retire(new)
            elif (old := self._put(new)) is not None:
                self._retire(old)
                await old.leaving.wait()
            return True

    async def _kill_after(self, worker: WorkerProcess, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await worker.dead.wait()
            return
        logger.error(
            f"worker %d (pid %d) did not end within %g s: killed {Trouble.DOES_NOT_END}",
            worker.number, worker.pid, seconds,
        )  # fmt: skip
        worker.kill()

    async def roll(self) -> None:
        """Replace all workers, one by one; stops at the first that fails to start.

        Signals that arrive before a replacement has begun count as one.
        """
        if self._roll_is_due:
            return
        self._roll_is_due = True
        async with self._rolls:
            self._roll_is_due = False
            await self._roll_now()

    async def _roll_now(self) -> None:
        systemd.notify(f"RELOADING=1\nMONOTONIC_USEC={int(time.monotonic() * 1e6)}")
        logger.info("replacing all workers")
        for number in sorted(self.workers):
            if not await self._replace(number):
                logger.error("the new worker %d does not start: the old ones go on", number)
                break
        else:
            if not self.stopping:
                logger.info("all workers are replaced")
        systemd.notify("READY=1")

    async def reload(self, reason: str) -> None:
        """In development: stop the workers, then start new ones. Connections wait meanwhile."""
        async with self._rolling:
            for worker in list(self.workers.values()):
                if worker.state != "dead":
                    self.retiring.add(worker)
                    worker.stop(within=RELOAD_GRACE)
                    with trio.move_on_after(RELOAD_GRACE + CUT_WITHIN):
                        await worker.dead.wait()
                    worker.kill()
            logger.info("%s: starting again", reason)
            for number in list(self.workers):
                if not self.stopping:
                    self._put(self._spawn(number))

    # --- signals -----------------------------------------------------------------------------
    async def _hear_signals(self, *, task_status: trio.TaskStatus[None]) -> None:
        numbers = [getattr(signal, name) for name in _SIGNALS]
        if self._inspection is not None:
            numbers.append(signal.SIGUSR1)
        with trio.open_signal_receiver(*numbers) as arriving:
            task_status.started()
            async for number in arriving:
                self._act_on(signal.Signals(number))

    def _act_on(self, number: signal.Signals) -> None:
        assert self._nursery is not None
        if number == signal.SIGCHLD:
            self._reap()
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stop_or_cut(number)
        elif number == signal.SIGUSR1:
            for worker in self._alive():
                if worker.state == "ready":
                    worker.kill(number)  # it shows what it does
        elif number == signal.SIGHUP:
            if self._terminal and not has_terminal():
                # The terminal was closed: this is no request for new workers.
                self._stop_or_cut(number)
            elif not self.stopping:
                self._nursery.start_soon(self.roll)
        elif number == signal.SIGTTIN and not self.stopping:
            added = max(self.workers, default=0) + 1
            try:
                self._put(self._spawn(added))
            except CannotStart as error:
                logger.error("SIGTTIN: %s", error)
            else:
                logger.info("SIGTTIN: a worker more, %d in all", len(self.workers))
        elif number == signal.SIGTTOU and len(self.workers) > 1:
            logger.info("SIGTTOU: a worker less, %d in all", len(self.workers) - 1)
            worker = self.workers.pop(max(self.workers))
            if worker.state != "dead":
                self._retire(worker)

    def _stop_or_cut(self, number: signal.Signals) -> None:
        assert self._nursery is not None
        self._signals.append(number)
        if len(self._signals) == 1:
            busy = sum(worker.row.connections for worker in self._alive())
            logger.info("%s: stopping; open connections: about %d", number.name, busy)
            self._begin_end()
        elif len(self._signals) == 2:
            logger.warning("%s again: cutting what is under way", number.name)
            self.status = 128 + number
            for worker in self._alive():
                worker.cut()
                self._nursery.start_soon(self._kill_after, worker, CUT_WITHIN)

    def _stop_all(self, status: int) -> None:
        """End without having been asked to, and with this status."""
        self.status = status
        self._signals.append(signal.SIGTERM)
        self._begin_end()

    def _begin_end(self) -> None:
        systemd.notify("STOPPING=1")
        # Each worker closes its own: then no connection is accepted that would not be served.
        self._sockets.close()
        for worker in self._alive():
            self._retire(worker)
        self._end_if_empty()


def _failure_of(worker: WorkerProcess) -> CannotStart:
    failure = worker.failure
    assert failure is not None
    if failure["trace"] is not None:
        sys.stderr.write(failure["trace"])
    line = failure["line"] or f"worker {worker.number} cannot start; its error is above"
    return CannotStart(line, failure["status"])


def _show(failure: Message) -> None:
    if failure["trace"] is not None:
        sys.stderr.write(failure["trace"])
    if failure["line"] is not None:
        logger.error("%s", failure["line"])
