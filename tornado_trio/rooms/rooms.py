"""`Rooms`: what programs use. Knows channels, listeners, presence and how to choose a broker."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, final
from uuid import uuid4

import trio

from ..client.targets import show_url
from ..websocket import SlowConsumer, WebSocket
from .broker import Broker, RoomSettings
from .channels import Channels, Local
from .listening import Cursor, Subscription, cursor_at
from .members import Crowd, Encode, Member, plain
from .memory import MemoryBroker
from .messages import BEGINNING, Entry, Message, RoomsError, RoomsUnavailable, show_id
from .presence import Changes, Present, Tracker, View, by_key, read_members

__all__ = ["Rooms", "RoomsStatistics"]

logger = logging.getLogger("tornado_trio.rooms")

# A member's farewell may take so long when its task was cancelled.
_FAREWELL = 1.0
_MAX_NAME = 500


@dataclass(frozen=True, slots=True)
class RoomsStatistics:
    """A snapshot of the rooms of this process."""

    #: The broker answers.
    connected: bool
    #: Rooms listened to.
    rooms: int
    #: Subscriptions and websockets in them.
    listeners: int
    #: Messages given to the broker, by this process.
    published: int
    #: Messages received from the broker, counted once for each room.
    heard: int


@final
class Rooms:
    """Rooms: what is published in one is received by everyone in it.

    ```python
    async with Rooms("redis://127.0.0.1:6379/0") as rooms:
        await rooms.publish("lobby", "hello")
    ```

    Args:
      url: the broker that the processes share: `redis://`, `rediss://`, `unix://`,
      `redis+cluster://`, by
        coredis (extra `rooms`); `nats://`, by nats-py (extra `nats`), under `run(asyncio=True)`.
        None: within this process only.
      history: messages kept of each room, for clients that reconnect; 0: none. Only with a history
        do messages have an `id`.
      keep: seconds without a message after which a room's history is dropped.
      prefix: of all names at the broker. Rooms of one prefix are the same for every process.
      timeout: seconds to keep trying to publish, or to start listening, while the broker is
      unavailable.
      local_when_away: messages that cannot be published are still delivered within this process,
        and listening starts without the broker.
      beat: seconds between the heartbeats of present members; after three missed ones a member is
        gone.
      max_message_size: bytes of one message; a longer one is refused.

    Delivery guarantees: docs/how-to/rooms.md.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        history: int = 100,
        keep: float = 24 * 3600.0,
        prefix: str = "rooms",
        timeout: float = 5.0,
        local_when_away: bool = False,
        beat: float = 5.0,
        max_message_size: int = 1024 * 1024,
    ) -> None:
        if history < 0 or keep <= 0 or beat <= 0 or timeout < 0:
            raise ValueError("history and timeout are not negative, keep and beat positive")
        self._settings = RoomSettings(
            prefix=prefix, history=history, keep=keep, timeout=timeout,
            may_be_away=local_when_away, present_for=3 * beat,
        )  # fmt: skip
        self._beat = beat
        self._max_message_size = max_message_size
        self._local_when_away = local_when_away
        self._broker = _make_broker(url, self._settings, self)
        self._tracker = Tracker(self._broker, uuid4().hex, beat)
        self._channels = Channels(self._broker, self._spawn)
        self._views: dict[str, View] = {}
        self._nursery: trio.Nursery | None = None
        self._block: AbstractAsyncContextManager[None] | None = None
        self._connected = False
        self._published = 0

    def __repr__(self) -> str:
        return f"<Rooms {self._settings.prefix!r} {'here' if self._connected else 'away'}>"

    # --- life -------------------------------------------------------------------------
    async def __aenter__(self) -> Self:
        """Connect. Raises `RoomsUnavailable`, unless `local_when_away`."""
        if self._block is not None:
            raise RuntimeError("these Rooms are, or were, open already")
        self._block = self._running()
        await self._block.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._block is not None
        return await self._block.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        raised: BaseException | None = None
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                if self._local_when_away:
                    nursery.start_soon(self._broker.run, name="rooms broker")
                else:
                    await nursery.start(self._broker.run, name="rooms broker")
                nursery.start_soon(self._tracker.run, name="rooms presence")
                nursery.start_soon(self._channels.sweep, name="rooms sweep")
                yield
            except BaseException as caught:
                raised = caught  # raised again below: not in a group, which is not ours
            finally:
                self._nursery = None
                for view in self._views.values():
                    view.close()
                self._channels.close()
                nursery.cancel_scope.cancel()
        if raised is not None:
            raise raised

    def _spawn(self, async_fn: Callable[..., Any], *args: Any) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(async_fn, *args)

    def statistics(self) -> RoomsStatistics:
        """Counts, as of now."""
        channels = self._channels
        return RoomsStatistics(
            self._connected, len(channels), channels.listeners, self._published, channels.heard
        )

    # --- the broker's side (`Hub`) ------------------------------------------------------
    def arrived(self, room: str, entry: Entry) -> None:
        """See `Hub`."""
        self._channels.arrived(room, entry)

    def resumed(self, room: str) -> None:
        """See `Hub`."""
        channel = self._channels.get(room)
        if channel is not None:
            channel.resumed()

    def stirred(self, room: str) -> None:
        """See `Hub`."""
        view = self._views.get(room)
        if view is not None:
            view.stir()

    def connected(self, yes: bool, why: str = "") -> None:
        """See `Hub`. Logs each change once."""
        if yes == self._connected:
            return
        self._connected = yes
        if yes:
            logger.info("rooms: connected")
            self._tracker.look()
        else:
            logger.warning("rooms: the broker is away, trying again: %s", why)

    # --- talking ----------------------------------------------------------------------
    async def publish(self, room: str, data: str | bytes) -> str:
        """Publish `data` in `room`: everyone in it receives it, in every process.

        Returns: the message's id, once the broker has it in its log. "" without a history; and with
          `local_when_away` if it reached only this process.

        Raises: `RoomsUnavailable` when the broker did not confirm it within `timeout`: it may have
          been published or not. ValueError for a message that is too long.
        Cancellation: as `RoomsUnavailable`.
        """
        _check_name(room)
        if not isinstance(data, (str, bytes)):
            raise TypeError(f"a message is str or bytes, not {type(data).__name__}")
        size = len(data) if isinstance(data, bytes) else len(data.encode())
        if size > self._max_message_size:
            raise ValueError(f"a message of {size} bytes, more than {self._max_message_size}")
        self._running_nursery()
        try:
            await self._listened_to(room)
            position = await self._broker.publish(room, data)
        except RoomsUnavailable:
            if not self._local_when_away:
                raise
            channel = self._channels.get(room)
            if channel is not None:
                channel.heard_here(Entry(BEGINNING, BEGINNING, Message(room, data)))
            return ""
        self._published += 1
        return "" if position == BEGINNING else show_id(position)

    async def _listened_to(self, room: str) -> None:
        """Wait for the broker: local listeners get kept messages only once it is connected."""
        channel = self._channels.get(room)
        if channel is not None and not channel.ready.is_set():
            with trio.move_on_after(self._settings.timeout):
                await channel.ready.wait()
                return
            raise RoomsUnavailable("the broker has not answered so far")

    async def history(self, room: str, count: int | None = None) -> list[Message]:
        """The last `count` messages that are kept of `room` (None: all of them), in order.

        Raises: `RoomsUnavailable`.
        """
        _check_name(room)
        kept = self._settings.history
        wanted = kept if count is None else max(0, min(count, kept))
        entries = await self._broker.newest(room, wanted)
        return [entry.message for entry in entries]

    # --- listening --------------------------------------------------------------------
    @asynccontextmanager
    async def subscribe(
        self,
        room: str,
        *,
        since: str | None = None,
        last: int = 0,
        size: int = 1000,
        slow_consumer: SlowConsumer = SlowConsumer.WAIT,
    ) -> AsyncIterator[Subscription]:
        """The messages of `room`, to iterate over, for the duration of a block.

        Args:
          since: begin after the message with this id. If the history does not reach back that far,
            all of it follows, and the first message is marked `missed`. Any text is accepted, so
            that what a client sends (`Last-Event-ID`) can be passed as it is.
          last: begin with this many of the kept messages instead.
          size: messages that may be queued.
          slow_consumer: what happens when more do. WAIT: they are read from the history later, so
            nothing is lost that it still has (without a history the newest are dropped).
            DROP_OLDEST: the oldest are dropped, and counted. CLOSE: `SlowSubscriber`.

        Raises: `RoomsUnavailable` when listening does not begin within `timeout`.
        """
        if size < 1:
            raise ValueError("a subscription holds one message or more")
        async with self._using(room) as local:
            cursor = await self._cursor(local, since, last)
            lost = cursor is None and since is not None
            subscription = Subscription(local.channel, cursor, size, slow_consumer, lost)
            try:
                yield subscription
            finally:
                subscription.close()

    @asynccontextmanager
    async def join(
        self,
        room: str,
        ws: WebSocket,
        *,
        since: str | None = None,
        last: int = 0,
        encode: Encode = plain,
        key: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Member]:
        """`ws` receives the messages of `room`, for the duration of a block.

        ```python
        async with rooms.join("lobby", ws, key=user):
            async for message in ws:
                await rooms.publish("lobby", message)
        ```

        Args:
          since, last: as for `subscribe`.
          encode: turns a message into what is sent; its data if not given. Pass the same function
            for all members: then it is called, and the frame made, once for all of them.
          key, meta: with a key the member is present, see `track`.

        Slow members are treated as their session's `WebSocketOptions.slow_consumer` says. With WAIT
        a slow one is served from the history, at its own pace, until it has caught up.

        Raises: `RoomsUnavailable` when listening does not begin within `timeout`; ValueError for
          a session that is in the room already.
        """
        async with self._using(room) as local:
            if any(ws in crowd for crowd in local.crowds.values()):
                raise ValueError(f"{ws!r} is in the room {room!r} already")
            member = Member(ws, await self._cursor(local, since, last))
            member.lost = member.cursor is None and since is not None
            crowd = local.crowds.get(encode)
            if crowd is None:
                crowd = local.crowds[encode] = Crowd(local.channel, encode, self._spawn)
            crowd.add(member)
            try:
                if key is None:
                    yield member
                else:
                    async with self.track(room, key, meta):
                        yield member
            finally:
                crowd.remove(member)
                if not crowd.size:
                    del local.crowds[encode]

    def _using(self, room: str) -> AbstractAsyncContextManager[Local]:
        _check_name(room)
        self._running_nursery()
        return self._channels.using(room)

    async def _cursor(self, local: Local, since: str | None, last: int) -> Cursor | None:
        """Where to begin; None: with the next message."""
        if since is not None:
            return cursor_at(local.channel, since)
        count = min(last, self._settings.history)
        if count <= 0:
            return None
        entries = await local.channel.newest(count)
        return Cursor(local.channel, entries[0].previous) if entries else None

    # --- presence ---------------------------------------------------------------------
    @asynccontextmanager
    async def track(
        self, room: str, key: str, meta: Mapping[str, Any] | None = None
    ) -> AsyncIterator[None]:
        """`key` (a user, say) is present in `room` for the duration of a block. `meta` (JSON) is
published with it. The same key may be present several times, here and in other processes. While the
broker is unavailable the block runs all the same, and others see the member later.
        """
        _check_name(room)
        self._running_nursery()
        member = self._tracker.make(key, meta)
        try:
            await self._tracker.enter(room, member)
            yield
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _FAREWELL):
                await self._tracker.leave(room, member)

    async def present(self, room: str) -> Present:
        """Who is in `room`, over all processes: key -> one meta for each time it is there.

        Raises: `RoomsUnavailable`.
        """
        _check_name(room)
        return by_key(read_members(list(await self._broker.members(room))))

    @asynccontextmanager
    async def changes(self, room: str) -> AsyncIterator[Changes]:
        """The changes of who is present in `room`, to iterate over; the first has all members.

        A member whose process died leaves when it expires (after three heartbeats).
        """
        async with self._using(room):
            view = self._views.get(room)
            if view is None:
                view = self._views[room] = View(room, self._broker, self._beat)
                self._spawn(view.run)
            view.watchers += 1
            try:
                yield Changes(view)
            finally:
                view.watchers -= 1
                if not view.watchers:
                    view.scope.cancel()
                    self._views.pop(room, None)

    def _running_nursery(self) -> trio.Nursery:
        if self._nursery is None:
            raise RoomsError("these Rooms are not open: async with Rooms(...) as rooms:")
        return self._nursery


def _check_name(room: str) -> None:
    if not isinstance(room, str) or not 0 < len(room) <= _MAX_NAME:
        raise ValueError(f"a room's name is text of 1 to {_MAX_NAME} characters, not {room!r}")


def _make_broker(url: str | None, settings: RoomSettings, hub: Rooms) -> Broker:
    if url is None:
        return MemoryBroker(settings, hub)
    scheme, found, _ = url.partition("://")
    scheme = scheme.lower() if found else ""
    if scheme in ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster"):
        from .redis import RedisBroker

        return RedisBroker(url, settings, hub)
    if scheme in ("nats", "tls"):
        from .nats import NatsBroker

        return NatsBroker(url, settings, hub)
    raise ValueError(
        "rooms meet at redis://, rediss://, unix://, redis+cluster:// or nats://, "
        f"not at {show_url(url)!r}"
    )
