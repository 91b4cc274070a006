"""`ReadinessHub`: one trio wait for many sockets, instead of one each.

Knows epoll, descriptors and trio's public traps. Must not know what is read, nor the readers.

trio arms a registration for each wait: a system call, and 250 bytecodes of a request that costs
2500. Here sockets are registered once, edge-triggered, in an epoll of our own; one task waits for
that, and wakes the tasks that wait for the reported sockets. That is one more wait, so it pays only
if one turn of trio's loop serves several sockets. The hub checks at intervals how many it serves;
if they are few, or where there is no epoll, they wait as usual. Of many connections those that
mostly wait, websockets, stay for another reason: a wait here takes 0.9 KiB less than one of trio's.

Theory. An edge reports once that something arrived. A task that begins to wait may rely on the next
edge if it has read everything that arrived before: if the last read found nothing, or less than it
asked for. Otherwise there is *doubt*: after an edge, until such a read; after a read that got as
much as it asked for. Then trio's own wait is used, which checks the socket itself; and it is used
for good after the peer's end of stream or an error (no further edge will come), after urgent data
(a read ends where it was sent, though more is there), and when the hub ends.
"""

from __future__ import annotations

import select as _select
from collections.abc import Callable, Generator, Sized
from typing import Any, Final, Protocol

import outcome
import trio

from .._util.stepping import first_yield

__all__ = ["Readable", "ReadinessHub"]

# A type checker for another system knows no epoll.
select: Any = _select

_EVENTS_AT_ONCE = 256
# Sockets served by one turn: from the one on joining pays (measured: 9.9 us a request against 13.5
# with 32 connections, 15.8 against 13.2 with 4); below the other, leaving does.
_MANY = 8
_FEW = 3
_TURNS_TO_JUDGE = 8
# So many connections that what their waits weigh counts for more than what a turn costs.
_HEAVY = 64
# So often `arrange` is called between a look that found few and the next.
_BETWEEN_LOOKS = 64


#: What a task is woken with: one for all, since it is looked at and not unwrapped.
_WOKEN: Final = outcome.Value(None)


def _trap_of(abort: Callable[[Any], trio.lowlevel.Abort]) -> Any:
    """What `wait_task_rescheduled(abort)` yields to trio's loop, which takes the same one for each
    wait: with a coroutine and an outcome for each, a wait costs 5 k instructions more."""
    return first_yield(trio.lowlevel.wait_task_rescheduled(abort))  # noqa: ASYNC105 - looked at


class _Stream(Protocol):
    """What may wait by the hub; `waiter` is where its `Readable` goes."""

    waiter: Any

    @property
    def socket(self) -> Any: ...


class Readable:
    """A socket in a hub. Await it for readability, one task at a time.

    Cancellation: nothing is consumed, nothing is lost.

    Raises:
        trio.ClosedResourceError: `close` was called, before or meanwhile.
        trio.BusyResourceError: another task is waiting.

    Attributes:
      doubt: see the module; the reader sets it to False after a read that left nothing, else to
      True.
    """

    __slots__ = ("_fd", "_hub", "_task", "_trap", "doubt")

    def __init__(self, hub: ReadinessHub, fd: int) -> None:
        self._hub: ReadinessHub | None = hub  # None: it does not stand there any more
        self._fd = fd
        self._task: trio.lowlevel.Task | None = None
        self._trap = _trap_of(self._stop_waiting)
        self.doubt = False  # what is there already is reported when it is registered

    def __repr__(self) -> str:
        state = "closed" if self._fd < 0 else "by trio" if self._hub is None else "by the hub"
        return f"<Readable {state}>"

    def __await__(self) -> Generator[Any, Any, None]:
        if self.doubt or self._hub is None or self._task is not None:
            yield from self._by_trio().__await__()
            return
        self._task = trio.lowlevel.current_task()
        result = yield self._trap
        if result is not _WOKEN:
            result.unwrap()

    def _stop_waiting(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    async def _by_trio(self) -> None:
        if self._fd < 0:
            raise trio.ClosedResourceError("this descriptor was closed")
        if self._task is not None:
            raise trio.BusyResourceError("another task is waiting for this descriptor")
        await trio.lowlevel.wait_readable(self._fd)

    def close(self) -> None:
        """The descriptor is about to be closed. Idempotent."""
        if self._fd >= 0:
            if self._hub is not None:
                self._hub.forget(self._fd, self)
            self._fd = -1
            self._leave_hub()
            task, self._task = self._task, None
            if task is not None:
                error = trio.ClosedResourceError("another task closed this descriptor")
                trio.lowlevel.reschedule(task, outcome.Error(error))

    def _leave_hub(self) -> None:
        self._hub = None
        self._trap = None  # which refers to this: a reference cycle

    def report(self, *, last: bool = False) -> None:
        """Something may have arrived. `last`: the hub reports nothing more, trio's wait is used
        from now on."""
        self.doubt = True
        if last:
            self._leave_hub()
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task, _WOKEN)


class ReadinessHub:
    """Owned by a server; `run` is a task of its nursery.

    Args:
      connections: all that the server has, to be counted.

    Attributes:
      crowded: whether joining pays at present.
    """

    def __init__(self, connections: Sized = ()) -> None:
        self._connections = connections
        # Made by `run`, as in `DisconnectWatch`: children that share an epoll would get events for
        # each other's sockets.
        self._epoll: Any = None
        self._members: dict[int, Readable] = {}
        self._until_look = 0
        self.crowded = False

    def __repr__(self) -> str:
        return f"<ReadinessHub of {len(self._members)} sockets>"

    async def run(self) -> None:
        """Wake waiting tasks, until cancelled. Those that still wait then use trio's wait."""
        if not hasattr(select, "epoll"):
            return
        epoll = self._epoll = select.epoll()
        polls = found = 0
        try:
            while True:
                await trio.lowlevel.wait_readable(epoll.fileno())
                events = epoll.poll(0, _EVENTS_AT_ONCE)
                for fd, mask in events:
                    member = self._members.get(fd)
                    if member is None:
                        continue
                    if mask != select.EPOLLIN:
                        # The end of the peer's side, or an error: no edge will follow. Or
                        # urgent data: reads do not tell any more whether something is left.
                        self.forget(fd, member)
                        member.report(last=True)
                    else:
                        member.report()
                polls += 1
                found += len(events)
                if polls == _TURNS_TO_JUDGE:
                    if found < _FEW * polls:
                        self.crowded = False
                    polls = found = 0
        finally:
            self.crowded = False
            self._epoll = None
            epoll.close()
            members, self._members = self._members, {}
            for member in members.values():
                member.report(last=True)

    def arrange(self, stream: _Stream, *, mostly_waits: bool = False) -> None:
        """Have `stream` wait by the hub while that pays, else by trio. Called at intervals by the
        task that reads it, between two waits."""
        if self._epoll is None:
            return
        waiter = stream.waiter
        if self.crowded or (mostly_waits and len(self._connections) >= _HEAVY):
            if waiter is None:
                self._join(stream)
            return
        if type(waiter) is Readable:
            self.part(stream)
        if self._until_look:
            self._until_look -= 1
        else:
            self._until_look = _BETWEEN_LOOKS
            trio.lowlevel.add_instrument(_Look(self._judge))

    def part(self, stream: _Stream) -> None:
        """Take `stream` out of the hub, if it is there; no task may be waiting by it."""
        waiter = stream.waiter
        if type(waiter) is Readable:
            stream.waiter = None
            waiter.close()

    def forget(self, fd: int, member: Readable) -> None:
        """Take it out. A number may be another socket's by now, of this hub or of none."""
        if self._members.get(fd) is member:
            del self._members[fd]
            try:
                self._epoll.unregister(fd)
            except OSError:
                pass  # closed under it: the kernel forgot it by itself

    def _join(self, stream: _Stream) -> None:
        fd = stream.socket.fileno()
        if fd < 0:
            return
        mask = select.EPOLLIN | select.EPOLLPRI | select.EPOLLRDHUP | select.EPOLLET
        before = self._members.pop(fd, None)
        if before is not None:
            before.report(last=True)  # its socket was closed under it, and the number is used again
        try:
            try:
                self._epoll.register(fd, mask)
            except FileExistsError:
                self._epoll.modify(fd, mask)
        except OSError:
            return  # out of memory, or of watches: it keeps using trio's wait
        member = self._members[fd] = Readable(self, fd)
        stream.waiter = member

    def _judge(self, sockets: float) -> None:
        self.crowded = self._epoll is not None and sockets >= _MANY


class _Look(trio.abc.Instrument):
    """Counts for a few turns how many tasks each of them runs, and then tells."""

    def __init__(self, tell: Callable[[float], object]) -> None:
        self._tell = tell
        self._turns = 0
        self._tasks = 0

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        self._tasks += 1

    def after_io_wait(self, timeout: float) -> None:
        self._turns += 1
        if self._turns > _TURNS_TO_JUDGE:
            trio.lowlevel.remove_instrument(self)
            self._tell(self._tasks / _TURNS_TO_JUDGE)
