"""Rooms over NATS with JetStream (2.9 or newer), by nats-py, which needs asyncio: `run(main,
asyncio=True)`. Extra: `nats`.

Knows nats-py. One stream has the logs of all rooms, a subject each; the server itself publishes
what is added to it, with the numbers of the message and of the one before it. Presence is a stream
in which each process publishes its members of a room: the last message counts, until it is too old.
Callbacks of nats-py reach trio by its token.

A publish whose answer was lost is retried with the same id, which the stream recognises: it is
added once.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, final
from uuid import uuid4

import trio

from .._util.mistakes import asyncio_runs
from ..client.targets import show_url
from .broker import Broker, Hub, RoomSettings
from .messages import (
    BEGINNING,
    Entry,
    Message,
    Position,
    RoomsError,
    RoomsUnavailable,
    pack,
    show_id,
    unpack,
)

__all__ = ["NatsBroker"]

T = TypeVar("T")

# Seconds without an answer after which a connection is taken for dead.
_SILENCE = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_FAREWELL = 1.0
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,200}")


def _word(room: str) -> str:
    """A room's name as one word of a subject."""
    return base64.urlsafe_b64encode(room.encode()).decode().rstrip("=")


@final
class NatsBroker(Broker):
    """One connection, restored with all its subscriptions when it breaks."""

    def __init__(self, url: str, settings: RoomSettings, hub: Hub) -> None:
        super().__init__(settings, hub)
        self._url = url
        self._where = show_url(url)
        if _PREFIX.fullmatch(settings.prefix) is None:
            raise ValueError(f"a prefix at NATS is letters, digits, -, _: not {settings.prefix!r}")
        try:
            import nats.aio.client
            import nats.errors
            import nats.js.api
            import nats.js.errors
        except ImportError as error:
            raise ImportError(
                f"rooms at {self._where} need the package nats-py: install tornado-trio[nats]",
                name="nats",
            ) from error
        self._api: Any = nats.js.api
        self._missing: Any = nats.js.errors.NotFoundError
        self._errors: tuple[type[Exception], ...] = (nats.errors.Error, TimeoutError, OSError)
        self._make: Any = nats.aio.client.Client
        self._client: Any = None
        self._stream: Any = None  # JetStream of that connection
        self._epoch = 0
        self._open = trio.Event()
        self._started = False
        self._why = ""  # what nats-py last complained of
        self._process = uuid4().hex
        self._count = 0
        self._wanted: set[str] = set()
        self._members: dict[str, dict[str, None]] = {}
        self._changed = trio.Event()
        self._trio: trio.lowlevel.TrioToken | None = None

    def _subject(self, kind: str, room: str) -> str:
        return f"{self.settings.prefix}.{kind}.{_word(room)}"

    # --- the connection -----------------------------------------------------------------
    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        if not asyncio_runs():
            raise RoomsError("rooms at nats:// need asyncio: tornado_trio.run(main, asyncio=True)")
        self._trio = trio.lowlevel.current_trio_token()
        deadline = trio.current_time() + self.settings.timeout
        pause = _FIRST_PAUSE
        while True:
            lost = trio.Event()
            self._why = ""
            try:
                await self._connect(lost)
                pause = _FIRST_PAUSE
                if not self._started:
                    self._started = True
                    task_status.started()
                self.hub.connected(True)
                await self._serve(lost)
                why = self._why or "the connection is lost"
            except self._errors as error:
                why = self._why or str(error) or type(error).__name__
            finally:
                self._open = trio.Event()
                await self._close()
            self.hub.connected(False, f"{self._where}: {why}")
            late = trio.current_time() >= deadline
            if late and not self._started and not self.settings.may_be_away:
                raise RoomsUnavailable(f"no rooms at {self._where}: {why}")
            await trio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _connect(self, lost: trio.Event) -> None:
        token = self._trio
        assert token is not None

        def gone() -> None:
            lost.set()
            self._changed.set()

        async def closed() -> None:
            token.run_sync_soon(gone)

        async def failed(error: Exception) -> None:
            self._why = str(error) or type(error).__name__

        self._client = client = self._make()
        await client.connect(
            self._url,
            allow_reconnect=False,  # `run` does, from the ground up
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=_SILENCE,
            ping_interval=_SILENCE,
            max_outstanding_pings=2,
            closed_cb=closed,
            disconnected_cb=closed,
            error_cb=failed,
        )
        self._stream = client.jetstream(timeout=_SILENCE)
        await self._prepare()
        self._open.set()

    async def _prepare(self) -> None:
        """Make the streams, or take them as they are."""
        api, settings, prefix = self._api, self.settings, self.settings.prefix
        if settings.history:
            config = api.StreamConfig(
                name=prefix,
                subjects=[f"{prefix}.log.>"],
                max_msgs_per_subject=settings.history,
                max_age=settings.keep,
                duplicate_window=min(120.0, settings.keep),
                allow_direct=True,
                republish=api.RePublish(src=f"{prefix}.log.>", dest=f"{prefix}.said.>"),
            )
            try:
                info = await self._stream.stream_info(prefix)
                known = info.config
                if (known.max_msgs_per_subject, known.max_age) != (settings.history, settings.keep):
                    info = await self._stream.update_stream(config)
            except self._missing:
                info = await self._stream.add_stream(config)
            # A stream that was made anew counts from 1 again: its ids must be greater all the same.
            self._epoch = int(info.created.timestamp() * 1000)
        here = api.StreamConfig(
            name=f"{prefix}-here",
            subjects=[f"{prefix}.here.>"],
            max_msgs_per_subject=1,
            max_age=settings.present_for,
            duplicate_window=min(120.0, settings.present_for),
            allow_direct=True,
            storage=api.StorageType.MEMORY,
        )
        try:
            await self._stream.stream_info(here.name)
        except self._missing:
            await self._stream.add_stream(here)

    async def _serve(self, lost: trio.Event) -> None:
        """Follow what is wanted, until the connection breaks."""
        have: dict[str, list[Any]] = {}
        while not lost.is_set():
            self._changed = trio.Event()
            for room in self._wanted - have.keys():
                have[room] = await self._subscribe(room)
                self.hub.resumed(room)
                self.hub.stirred(room)
            for room in have.keys() - self._wanted:
                for subscription in have.pop(room):
                    await subscription.unsubscribe()
            if self._wanted == have.keys() and not lost.is_set():
                await self._changed.wait()

    async def _subscribe(self, room: str) -> list[Any]:
        token = self._trio
        assert token is not None

        async def said(message: Any) -> None:
            token.run_sync_soon(self._hear, room, message)

        async def stirred(message: Any) -> None:
            token.run_sync_soon(self.hub.stirred, room)

        subscriptions = [
            await self._client.subscribe(self._subject("said", room), cb=said),
            await self._client.subscribe(self._subject("stir", room), cb=stirred),
        ]
        await self._settle()
        return subscriptions

    async def _settle(self) -> None:
        """The server has taken what was given before.

        Twice: nats-py 2.16 writes its ping at once and everything else in a task of its own, so the
        first answer may have overtaken it.
        """
        await self._client.flush(_SILENCE)
        await self._client.flush(_SILENCE)

    async def _close(self) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _FAREWELL):
            try:
                await self._client.close()
            except self._errors:
                pass  # it is broken, which is why it is closed

    def listen(self, room: str) -> None:
        self._wanted.add(room)
        self._changed.set()

    def unlisten(self, room: str) -> None:
        self._wanted.discard(room)
        self._changed.set()

    def _hear(self, room: str, told: Any) -> None:
        if room not in self._wanted or not told.data:
            return
        if not self.settings.history:
            self.hub.arrived(room, Entry(BEGINNING, BEGINNING, Message(room, unpack(told.data))))
            return
        headers = told.headers or {}
        number, before = headers.get("Nats-Sequence"), headers.get("Nats-Last-Sequence")
        if number is not None and before is not None:  # else it is none of the stream's
            self.hub.arrived(room, self._entry(room, int(number), int(before), told.data))

    def _entry(self, room: str, number: int, before: int, data: bytes) -> Entry:
        position = (self._epoch, number)
        previous = (self._epoch, before) if before else BEGINNING
        return Entry(position, previous, Message(room, unpack(data), show_id(position)))

    # --- asking -------------------------------------------------------------------------
    async def _ask(self, command: Callable[[], Awaitable[T]]) -> T:
        """The answer to `command`, tried until the time is up."""
        deadline = trio.current_time() + self.settings.timeout
        pause = _FIRST_PAUSE
        while True:
            with trio.move_on_at(deadline):
                await self._open.wait()
            if not self._open.is_set():
                raise RoomsUnavailable(f"no connection to {self._where}")
            try:
                return await command()
            except self._errors as error:
                if trio.current_time() + pause >= deadline:
                    raise RoomsUnavailable(f"no answer from {self._where}: {error}") from None
            await trio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def publish(self, room: str, data: str | bytes) -> Position:
        packed = pack(data)
        if not self.settings.history:
            subject = self._subject("said", room)

            async def tell() -> None:
                await self._client.publish(subject, packed)
                await self._settle()

            await self._ask(tell)
            return BEGINNING
        self._count += 1
        headers = {"Nats-Msg-Id": f"{self._process}:{self._count}"}
        subject = self._subject("log", room)
        answer: Any = await self._ask(
            lambda: self._stream.publish(subject, packed, headers=headers)
        )
        return (self._epoch, answer.seq)

    async def after(self, room: str, position: Position, count: int) -> Sequence[Entry]:
        return await self._ask(lambda: self._read(room, position, count))

    async def newest(self, room: str, count: int) -> Sequence[Entry]:
        if not count or not self.settings.history:
            return []
        if count > 1:
            kept = await self._ask(lambda: self._read(room, BEGINNING, self.settings.history))
            return kept[-count:]
        return await self._ask(lambda: self._last(room))

    async def _last(self, room: str) -> list[Entry]:
        subject = self._subject("log", room)
        try:
            last = await self._stream.get_last_msg(self.settings.prefix, subject, direct=True)
        except self._missing:
            return []
        return [self._entry(room, last.seq, last.seq - 1, last.data)]

    async def _read(self, room: str, position: Position, count: int) -> list[Entry]:
        """Entries of the stream after `position`, by a consumer that ends with it."""
        epoch = self._epoch
        if position[0] > epoch:
            return []
        since = position[1] if position[0] == epoch else 0
        api, prefix, subject = self._api, self.settings.prefix, self._subject("log", room)
        consumer = await self._stream.add_consumer(
            prefix,
            api.ConsumerConfig(
                filter_subject=subject,
                deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=since + 1,
                ack_policy=api.AckPolicy.NONE,
                inactive_threshold=2 * _SILENCE,
                mem_storage=True,
            ),
        )
        entries: list[Entry] = []
        wanted = min(count, consumer.num_pending or 0)
        reader = await self._stream.pull_subscribe_bind(consumer=consumer.name, stream=prefix)
        try:
            while len(entries) < wanted:
                for each in await reader.fetch(wanted - len(entries), timeout=_SILENCE):
                    number = each.metadata.sequence.stream
                    before = entries[-1].position[1] if entries else number - 1
                    entries.append(self._entry(room, number, before, each.data))
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _FAREWELL):
                await reader.unsubscribe()
                await self._stream.delete_consumer(prefix, consumer.name)
        if entries and await self._follows(subject, since, entries[0]):
            entries[0] = entries[0]._replace(previous=position)
        return entries

    async def _follows(self, subject: str, since: int, first: Entry) -> bool:
        """Whether nothing of the subject was between `since` and `first`, as far as can be known:
        if what is at `since` is still kept, nothing after it was thrown away."""
        if first.position[1] == since + 1:
            return since > 0
        if not since:
            return False
        try:
            at = await self._stream.get_msg(self.settings.prefix, seq=since, direct=True)
        except self._missing:
            return False
        return bool(at.subject == subject)

    # --- presence -------------------------------------------------------------------------
    async def enter(self, room: str, members: Sequence[str]) -> None:
        ours = self._members.setdefault(room, {})
        new = any(member not in ours for member in members)
        ours.update(dict.fromkeys(members))
        await self._ask(lambda: self._tell_members(room, new))

    async def leave(self, room: str, members: Sequence[str]) -> None:
        ours = self._members.get(room, {})
        for member in members:
            ours.pop(member, None)
        if not ours:
            self._members.pop(room, None)
        await self._ask(lambda: self._tell_members(room, True))

    async def _tell_members(self, room: str, changed: bool) -> None:
        ours = list(self._members.get(room, ()))
        await self._stream.publish(
            f"{self._subject('here', room)}.{self._process}", json.dumps(ours).encode()
        )
        if changed:
            await self._client.publish(self._subject("stir", room), b"")

    async def members(self, room: str) -> Sequence[str]:
        return await self._ask(lambda: self._read_members(room))

    async def _read_members(self, room: str) -> list[str]:
        """What each process has last said of the room, one by one: they are few."""
        found: list[str] = []
        stream, subject = f"{self.settings.prefix}-here", f"{self._subject('here', room)}.*"
        after = 0
        while True:
            try:
                told = await self._stream.get_msg(
                    stream, seq=after + 1, subject=subject, next=True, direct=True
                )
            except self._missing:
                return found
            found.extend(json.loads(told.data))
            after = told.seq
