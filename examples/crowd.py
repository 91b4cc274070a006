"""A chat room in many processes, which meet in Redis.

    python -m compat examples/crowd.py --port=8001 &
    python -m compat examples/crowd.py --port=8002 &

What a browser says to one process, Redis tells to all of them (PUBLISH, SUBSCRIBE), and each
tells its own browsers. A list in Redis keeps the last words for those who come later. This is
an ordinary Tornado program: it runs on Tornado itself just as well. Redis speaks so simple a
protocol that a stream and thirty lines make a client.
"""

import asyncio
import json
import logging

from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.locks import Lock
from tornado.options import define, options, parse_command_line
from tornado.tcpclient import TCPClient
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

define("port", default=8888, help="where to listen")
define("address", default="127.0.0.1", help="where to listen")
define("redis_host", default="127.0.0.1")
define("redis_port", default=6379)

CHANNEL, HISTORY, KEPT = "crowd", "crowd:history", 50


class Redis:
    """One connection to Redis; commands are answered in order."""

    def __init__(self):
        self.stream = None
        self.lock = Lock()

    async def connect(self):
        self.stream = await TCPClient().connect(options.redis_host, options.redis_port)

    async def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        parts = [b"*%d\r\n" % len(words)]
        parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        await self.stream.write(b"".join(parts))

    async def answer(self):
        line = await self.stream.read_until(b"\r\n", max_bytes=65536)
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else (await self.stream.read_bytes(size + 2))[:-2]
        if kind == b"*":
            return [await self.answer() for _ in range(int(rest))]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        return int(rest) if kind == b":" else rest

    async def command(self, *words):
        async with self.lock:
            await self.send(*words)
            return await self.answer()


class Room:
    """The browsers of this process, and its connections to Redis."""

    def __init__(self):
        self.members = set()
        self.redis = Redis()

    async def open(self):
        await self.redis.connect()
        self.ears = Redis()
        await self.ears.connect()
        await self.ears.send("SUBSCRIBE", CHANNEL)
        await self.ears.answer()

    async def listen(self):
        """Pass on what any process publishes, for as long as Redis is there."""
        while True:
            _, _, words = await self.ears.answer()
            for member in list(self.members):
                try:
                    member.write_message(words)
                except WebSocketClosedError:
                    self.members.discard(member)

    async def say(self, words):
        await self.redis.command("RPUSH", HISTORY, words)
        await self.redis.command("LTRIM", HISTORY, -KEPT, -1)
        await self.redis.command("PUBLISH", CHANNEL, words)

    async def history(self):
        return await self.redis.command("LRANGE", HISTORY, 0, -1)


class Member(WebSocketHandler):
    async def open(self):
        room = self.application.room
        for words in await room.history():
            self.write_message(words)
        room.members.add(self)

    async def on_message(self, message):
        said = {"text": str(message)[:500], "process": options.port}
        await self.application.room.say(json.dumps(said))

    def on_close(self):
        self.application.room.members.discard(self)


class Page(RequestHandler):
    def get(self):
        self.write(PAGE)


PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Crowd</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem;
         background: #f6f5f1; color: #222 }
  h1 { font-weight: 600 }
  ol { list-style: none; padding: 0; min-height: 12rem }
  li { background: #fff; border-radius: .6rem; padding: .5rem .9rem; margin: .4rem 0;
       box-shadow: 0 1px 2px #0002; overflow-wrap: anywhere }
  small { color: #888; float: right; margin-left: 1rem }
  input { font: inherit; width: 100%; box-sizing: border-box; padding: .6rem .9rem;
          border: 1px solid #bbb; border-radius: .6rem }
</style>
<h1>Crowd</h1>
<ol id="said"></ol>
<form id="form"><input id="words" placeholder="Say something" autocomplete="off" autofocus></form>
<script>
  const ws = new WebSocket(location.origin.replace("http", "ws") + "/room");
  ws.onmessage = event => {
    const said = JSON.parse(event.data), item = document.createElement("li");
    const where = document.createElement("small");
    where.textContent = "process " + said.process;
    item.append(where, said.text);
    document.getElementById("said").append(item);
    item.scrollIntoView();
  };
  document.getElementById("form").onsubmit = event => {
    event.preventDefault();
    const words = document.getElementById("words");
    if (words.value.trim()) ws.send(words.value);
    words.value = "";
  };
</script>
"""


async def main():
    app = Application([("/", Page), ("/room", Member)], websocket_ping_interval=20)
    app.room = Room()
    await app.room.open()
    app.listen(options.port, options.address)
    logging.info("http://%s:%d/", options.address, options.port)
    try:
        await app.room.listen()
    except StreamClosedError:
        # Without Redis the processes do not hear each other: better to end, and be started
        # again, than to go on as if nothing had happened.
        raise SystemExit("Redis has gone") from None
    except asyncio.CancelledError:
        pass


if __name__ == "__main__":
    parse_command_line()
    IOLoop.current().run_sync(main)
