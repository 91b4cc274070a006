"""The chat over several processes, which meet in Redis: an ordinary Tornado program.

    python -m compat examples/chat_cluster/cluster.py --port=8888 --processes=4

The page and the handlers are those of `examples/chat`; only the room is another one. What is said
in one process is numbered, kept and published by Redis in one step, and every process tells its
own browsers. Processes on other machines join by the same Redis: `--redis`, or else this
machine's. Needs the package `redis`.
"""

import asyncio
import collections
import json
import logging
import os.path
import sys
import time
import uuid

import redis.asyncio
import redis.exceptions
import tornado.netutil
import tornado.process
from tornado.httpserver import HTTPServer
from tornado.options import define, options, parse_command_line

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "chat"))
import chat  # the folder beside this one

define("processes", default=2, help="how many, on one port; 0: one for each processor")
define("redis", default="redis://127.0.0.1:6379/0", help="where the processes meet")
define("room", default="lobby", help="prefix of the keys and channels in Redis")
define("beat", default=2.0, help="seconds from one sign of life of a process to the next")

KEPT = 200
BEATS_LOST = 3  # after so many a process is taken for dead, and the people in it for gone

# In one step, so that messages are published in the order of their numbers: pages take
# a smaller number than the last for one they have seen. A Redis that has forgotten
# all begins with the time of day, which is more than any number before.
SAY = f"""
redis.call('SET', KEYS[1], ARGV[2], 'NX')
local number = redis.call('INCR', KEYS[1])
local entry = number .. ' ' .. ARGV[1]
redis.call('RPUSH', KEYS[2], entry)
redis.call('LTRIM', KEYS[2], -{KEPT}, -1)
redis.call('PUBLISH', KEYS[3], entry)
return number
"""


class RedisRoom(chat.Room):
    """A room that is the same in every process; this one's share of the people in it."""

    def __init__(self, url, name, beat):
        super().__init__(KEPT)
        self.last = 0
        self.beat_seconds = beat
        self.redis = redis.asyncio.from_url(url, decode_responses=True)
        self.number, self.log = f"{name}:number", f"{name}:log"
        self.said, self.people = f"{name}:said", f"{name}:people"
        self.say = self.redis.register_script(SAY)
        self.me = uuid.uuid4().hex
        self.others = collections.defaultdict(lambda: (0, 0.0))  # process: (people, when)
        self.ready = asyncio.Event()

    async def add(self, name, text):
        message = self.compose(0, name, text)
        keys = [self.number, self.log, self.said]
        args = [json.dumps(message), int(time.time() * 1000)]
        message["id"] = await self.say(keys=keys, args=args)
        return message  # the browsers hear of it from `listen`, here as everywhere

    def hear(self, entry):
        number, _, message = entry.partition(" ")
        if int(number) > self.last:
            self.deliver({**json.loads(message), "id": int(number)})

    def present(self):
        now = time.monotonic()
        return super().present() + sum(
            people
            for people, when in self.others.values()
            if now - when < BEATS_LOST * self.beat_seconds
        )

    async def listen(self):
        """Until cancelled. When Redis comes back, what was said meanwhile is made up for."""
        while True:
            try:
                async with self.redis.pubsub(ignore_subscribe_messages=True) as ears:
                    await ears.subscribe(self.said, self.people)
                    for entry in await self.redis.lrange(self.log, 0, -1):
                        self.hear(entry)
                    self.ready.set()
                    async for event in ears.listen():
                        self.take(event)
            except redis.exceptions.RedisError as error:
                logging.warning("Redis: %s", error)
                await asyncio.sleep(1)

    def take(self, event):
        if event["channel"] == self.said:
            self.hear(event["data"])
            return
        process, _, people = event["data"].partition(" ")
        if process != self.me:
            self.others[process] = (int(people), time.monotonic())

    async def beat(self):
        """Tell the others how many people are here, and those here how many there are.

        Soon, when that changes; a process that died says nothing, so this has to look.
        """
        told, when, shown = 0, 0.0, 0
        while True:
            if self.present() != shown:
                shown = self.present()
                self.broadcast({})
            here = super().present()
            if here != told or time.monotonic() - when > self.beat_seconds:
                try:
                    await self.redis.publish(self.people, f"{self.me} {here}")
                    told, when = here, time.monotonic()
                except redis.exceptions.RedisError:
                    pass  # `listen` tells of it
            await asyncio.sleep(0.2)


async def serve(sockets):
    async with asyncio.TaskGroup() as tasks:
        room = RedisRoom(options.redis, options.room, options.beat)
        tasks.create_task(room.listen())
        tasks.create_task(room.beat())
        await room.ready.wait()
        HTTPServer(chat.make_app(room, debug=options.debug)).add_sockets(sockets)
        print(f"The chat is at http://{options.address}:{options.port}/", flush=True)


if __name__ == "__main__":
    parse_command_line()
    shared = tornado.netutil.bind_sockets(options.port, options.address)
    if options.processes != 1:
        tornado.process.fork_processes(options.processes)
    try:
        asyncio.run(serve(shared))
    except KeyboardInterrupt:
        pass  # Ctrl-C is how it ends
