"""Rooms over Redis (6.2 or newer), with coredis: streams for the log, pub/sub for notifications.

Knows coredis and the scripts below; one stream, one channel and one sorted set per room, in one
slot of a cluster. Extra: `rooms`.

A message is added to the stream and published in one script, so that notifications are in the order
of the log. A publish whose answer was lost is retried with the same token, which the script looks
for in the log: it is added once.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar, final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import trio

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
    parse_id,
    show_id,
    unpack,
)

__all__ = ["RedisBroker"]

T = TypeVar("T")

# Seconds: an unanswered command or connection means that the connection is dead.
_SILENCE = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
# A subscription has so long to be acknowledged.
_ACKNOWLEDGED = 5.0

# KEYS: log, channel. ARGV: data, token, history, keep, PUBLISH or SPUBLISH, "again" or "".
_PUBLISH = """
if ARGV[6] ~= '' then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-')) do
    if entry[2][4] == ARGV[2] then return entry[1] end
  end
end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local previous = last and last[1] or '0-0'
local id = redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[3], '*',
                      'p', previous, 't', ARGV[2], 'd', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call(ARGV[5], KEYS[2], 'm' .. previous .. ' ' .. id .. ' ' .. ARGV[1])
return id
"""
# KEYS: members, channel. ARGV: seconds, PUBLISH or SPUBLISH, members.
_ENTER = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local changed = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for i = 3, #ARGV do
  changed = changed + redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i])
end
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[1] * 2))
if changed > 0 then redis.call(ARGV[2], KEYS[2], 'p') end
return changed
"""
# KEYS: members, channel. ARGV: PUBLISH or SPUBLISH, members.
_LEAVE = """
local changed = 0
for i = 2, #ARGV do changed = changed + redis.call('ZREM', KEYS[1], ARGV[i]) end
if changed > 0 then redis.call(ARGV[1], KEYS[2], 'p') end
return changed
"""
# KEYS: members.
_MEMBERS = """
local time = redis.call('TIME')
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. (time[1] + time[2] / 1000000), '+inf')
"""


@final
class RedisBroker(Broker):
    """One connection for notifications, a few for commands; all reconnect when they break."""

    def __init__(self, url: str, settings: RoomSettings, hub: Hub) -> None:
        super().__init__(settings, hub)
        self._where = show_url(url)
        try:
            import anyio
            import coredis
        except ImportError as error:
            raise ImportError(
                f"rooms at {self._where} need the package coredis: install tornado-trio[rooms]",
                name="coredis",
            ) from error
        from coredis.retry import NoRetryPolicy

        self._never = NoRetryPolicy()
        options: dict[str, Any] = {
            "retry_policy": self._never,
            "connect_timeout": _SILENCE,
            "stream_timeout": _SILENCE,
        }
        self._cluster = url.startswith(("redis+cluster://", "rediss+cluster://"))
        # Untyped: this file is checked without coredis, too, which need not be installed.
        self._client: Any
        if self._cluster:
            self._client = _cluster_at(url, options)
        else:
            self._client = coredis.Redis.from_url(url, **options)
        self._away = (coredis.exceptions.ConnectionError, coredis.exceptions.ReadOnlyError,
                      coredis.exceptions.RedisClusterError, OSError)  # fmt: skip
        self._failed = coredis.exceptions.RedisError
        # What coredis' own tasks raise where one of them is ended before the other.
        self._torn = (anyio.ClosedResourceError, anyio.BrokenResourceError)
        scripts = (_PUBLISH, _ENTER, _LEAVE, _MEMBERS)
        made = [self._client.register_script(text) for text in scripts]
        self._publish, self._enter, self._leave, self._members = made
        self._tell = "SPUBLISH" if self._cluster else "PUBLISH"
        self._token = uuid4().hex
        self._count = 0
        self._wanted: dict[str, bytes] = {}  # room -> channel
        self._rooms: dict[bytes, str] = {}  # channel -> room
        self._changed = trio.Event()
        self._open = trio.Event()  # while the client's pool is
        self._started = False
        # Always subscribed, so that there is a subscription to keep alive.
        self._own = self._key(self._token, "own").encode()

    # --- names ------------------------------------------------------------------------
    def _key(self, room: str, what: str) -> str:
        return f"{self.settings.prefix}:{{{room}}}:{what}"

    def _keys(self, room: str, what: str) -> list[str]:
        return [self._key(room, what), self._key(room, "said")]

    # --- notifications --------------------------------------------------------------
    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        deadline = trio.current_time() + self.settings.timeout
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self._client:
                    self._open.set()
                    pause = _FIRST_PAUSE
                    await self._be_told(deadline, task_status)
            except* (self._failed, OSError, *self._torn) as group:
                error = _first(group)
            self._open = trio.Event()
            await trio.lowlevel.checkpoint_if_cancelled()
            self._lost(error, deadline)
            await trio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _be_told(self, deadline: float, task_status: trio.TaskStatus[None]) -> None:
        """Subscribe, and again whenever that breaks. The connections that ask live on."""
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self._subscription() as told:
                    await told.subscribe(self._own)
                    pause = _FIRST_PAUSE
                    if not self._started:
                        self._started = True
                        task_status.started()
                    self.hub.connected(True)
                    await self._listen(told)
            except* (self._failed, OSError, *self._torn) as group:
                error = _first(group)
            await trio.lowlevel.checkpoint_if_cancelled()
            self._lost(error, deadline)
            await trio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _lost(self, error: BaseException, deadline: float) -> None:
        if isinstance(error, RoomsUnavailable):
            raise error  # of here, one step further in
        self.hub.connected(False, f"{self._where}: {error}")
        if not self.settings.may_be_away and not self._started and trio.current_time() >= deadline:
            raise RoomsUnavailable(f"no rooms at {self._where}: {error}")

    def _subscription(self) -> Any:
        options: dict[str, Any] = {
            "retry_policy": self._never,
            "subscription_timeout": _ACKNOWLEDGED,
        }
        if self._cluster:
            return self._client.sharded_pubsub(**options)
        return self._client.pubsub(**options)

    async def _listen(self, told: Any) -> None:
        """Until the connection breaks."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_wishes, told)
            while True:
                message = await told.get_message()
                if message is None:
                    continue
                room = self._rooms.get(message["channel"])
                kind = message["type"]
                if room is None:
                    continue  # unsubscribed meanwhile, or our own
                if kind in ("subscribe", "ssubscribe"):
                    self.hub.resumed(room)
                    self.hub.stirred(room)
                elif kind in ("message", "smessage"):
                    self._hear(room, message["data"])

    def _hear(self, room: str, told: bytes) -> None:
        if told[:1] == b"p":
            self.hub.stirred(room)
            return
        previous, position, data = told[1:].split(b" ", 2)
        self.hub.arrived(room, _entry(room, position, previous, data))

    async def _follow_wishes(self, told: Any) -> None:
        """Subscribe to what is wanted, and to nothing else."""
        have: set[bytes] = set()
        while True:
            self._changed = trio.Event()
            wanted = set(self._wanted.values())
            if new := wanted - have:
                await told.subscribe(*new)
                have |= new
            if old := have - wanted:
                await told.unsubscribe(*old)
                have -= old
            if set(self._wanted.values()) == have:
                await self._changed.wait()

    def listen(self, room: str) -> None:
        channel = self._key(room, "said").encode()
        self._wanted[room] = channel
        self._rooms[channel] = room
        self._changed.set()

    def unlisten(self, room: str) -> None:
        self._rooms.pop(self._wanted.pop(room), None)
        self._changed.set()

    # --- asking ---------------------------------------------------------------------
    async def _ask(self, command: Callable[[bool], Awaitable[T]]) -> T:
        """The answer to `command(again)`, tried until the time is up."""
        deadline = trio.current_time() + self.settings.timeout
        pause = _FIRST_PAUSE
        again = False
        while True:
            try:
                with trio.move_on_at(deadline):
                    await self._open.wait()
                if not self._open.is_set():
                    raise RoomsUnavailable(f"no connection to {self._where}")
                return await command(again)
            except self._away as error:
                if trio.current_time() + pause >= deadline:
                    raise RoomsUnavailable(f"no answer from {self._where}: {error}") from None
            except self._failed as error:
                raise RoomsError(f"{self._where}: {error}") from error
            await trio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, _LONGEST_PAUSE)
            again = True

    async def publish(self, room: str, data: str | bytes) -> Position:
        packed = pack(data)
        settings = self.settings
        if not settings.history:
            channel = self._key(room, "said")
            told = b"m0-0 0-0 " + packed

            async def tell(again: bool) -> None:
                if self._cluster:
                    await self._client.spublish(channel, told)
                else:
                    await self._client.publish(channel, told)

            await self._ask(tell)
            return BEGINNING
        self._count += 1
        token = f"{self._token}:{self._count}"
        keep = max(1, round(settings.keep))

        async def add(again: bool) -> Position:
            args: list[Any] = [packed, token, settings.history, keep, self._tell]
            keys = self._keys(room, "log")
            return _position(await self._publish(keys, [*args, "again" if again else ""]))

        return await self._ask(add)

    async def after(self, room: str, position: Position, count: int) -> Sequence[Entry]:
        log = self._key(room, "log")

        async def read(again: bool) -> Sequence[Entry]:
            found = await self._client.xrange(log, start=f"({show_id(position)}", count=count)
            return _entries(room, found)

        return await self._ask(read)

    async def newest(self, room: str, count: int) -> Sequence[Entry]:
        log = self._key(room, "log")

        async def read(again: bool) -> Sequence[Entry]:
            found = await self._client.xrevrange(log, count=count)
            return _entries(room, reversed(found))

        return await self._ask(read) if count else []

    async def enter(self, room: str, members: Sequence[str]) -> None:
        args: list[Any] = [self.settings.present_for, self._tell, *members]
        await self._ask(lambda again: self._enter(self._keys(room, "here"), args))

    async def leave(self, room: str, members: Sequence[str]) -> None:
        args: list[Any] = [self._tell, *members]
        await self._ask(lambda again: self._leave(self._keys(room, "here"), args))

    async def members(self, room: str) -> Sequence[str]:
        found: Any = await self._ask(lambda again: self._members([self._key(room, "here")], []))
        return [member.decode() for member in found]


def _cluster_at(url: str, options: dict[str, Any]) -> Any:
    import coredis
    from coredis.connection import TCPLocation

    parts = urlsplit(url)
    return coredis.RedisCluster(
        startup_nodes=[TCPLocation(parts.hostname or "127.0.0.1", parts.port or 6379)],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ssl=parts.scheme.startswith("rediss"),
        **options,
    )


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _position(raw: Any) -> Position:
    position = parse_id(raw.decode())
    if position is None:
        raise RoomsError(f"Redis gave {raw!r} for the id of a message")
    return position


def _entry(room: str, position: bytes, previous: bytes, packed: bytes) -> Entry:
    at = _position(position)
    message = Message(room, unpack(packed), "" if at == BEGINNING else position.decode())
    return Entry(at, _position(previous), message)


def _entries(room: str, found: Iterable[Any]) -> list[Entry]:
    entries = []
    for each in found:
        fields = each.field_values
        entries.append(_entry(room, each.identifier, fields[b"p"], fields[b"d"]))
    return entries
