"""A chat room: an ordinary Tornado program, not changed for this project in any way.

    python -m compat examples/chat/chat.py --port=8888

Browsers hear of new messages by a websocket, or by long polling where there is none
(``/?transport=polling`` shows that one). Messages are kept in memory, the last two hundred;
`examples/chat_cluster` keeps them in Redis, for several processes.
"""

import asyncio
import collections
import os.path
import time

import tornado.escape
import tornado.ioloop
import tornado.locks
import tornado.web
import tornado.websocket
from tornado.options import define, options, parse_command_line

define("port", default=8888, help="port to listen on", type=int)
define("address", default="127.0.0.1", help="address to listen on")
define("debug", default=False, help="reload when a file changes, show tracebacks")

LONGEST_MESSAGE = 2000
LONGEST_NAME = 24
POLL_SECONDS = 25


class Room:
    """The messages, and the requests that wait for more of them."""

    def __init__(self, size=200):
        self.changed = tornado.locks.Condition()
        self.messages = collections.deque(maxlen=size)
        self.sockets = set()
        self.polling = {}  # page: until when it counts as present
        # Numbers grow over a restart, too: pages that stayed open go on from what they have.
        self.last = int(time.time() * 1000)

    async def add(self, name, text):
        message = self.compose(self.last + 1, name, text)
        self.deliver(message)
        return message

    def compose(self, number, name, text):
        return {
            "id": number,
            "name": name[:LONGEST_NAME] or "Guest",
            "text": text[:LONGEST_MESSAGE],
            "time": time.strftime("%H:%M"),
        }

    def deliver(self, message):
        self.last = message["id"]
        self.messages.append(message)
        self.changed.notify_all()
        self.broadcast({"messages": [message]})

    def since(self, number):
        return [message for message in self.messages if message["id"] > number]

    def present(self):
        now = time.monotonic()
        self.polling = {page: until for page, until in self.polling.items() if until > now}
        return len(self.sockets) + len(self.polling)

    def poll_begins(self, page):
        """A page polls; until it is late for its next poll, it counts as present."""
        before = self.present()
        self.polling[page] = time.monotonic() + 2 * POLL_SECONDS
        if self.present() != before:
            self.broadcast({})

    def poll_ends(self, page):
        if self.polling.pop(page, None):
            self.broadcast({})

    def broadcast(self, event):
        for socket in list(self.sockets):
            socket.send({**event, "present": self.present()})


class BaseHandler(tornado.web.RequestHandler):
    @property
    def room(self):
        return self.settings["room"]


class PageHandler(BaseHandler):
    def get(self):
        self.render(
            "index.html",
            messages=list(self.room.messages),
            last=self.room.last,
            present=self.room.present(),
            transport=self.get_argument("transport", "websocket"),
        )


class MessageHandler(BaseHandler):
    """A message is posted by the form of the page, with or without JavaScript."""

    async def post(self):
        name = " ".join(self.get_body_argument("name").split())
        text = self.get_body_argument("text").strip()
        if not text:
            raise tornado.web.HTTPError(400, reason="Empty message")
        message = await self.room.add(name, text)
        if self.get_body_argument("next", None):
            self.redirect("/")
        else:
            self.write(message)


class UpdatesHandler(BaseHandler):
    """Long polling: the answer comes when there is a message, or empty after a while."""

    async def post(self):
        cursor = int(self.get_body_argument("cursor", "0"))
        self.page = self.get_body_argument("page", "")
        self.room.poll_begins(self.page)
        messages = self.room.since(cursor)
        if not messages:
            self.waiting = self.room.changed.wait(
                timeout=tornado.ioloop.IOLoop.current().time() + POLL_SECONDS
            )
            try:
                await self.waiting
            except asyncio.CancelledError:
                return
            messages = self.room.since(cursor)
        self.write({"messages": messages, "present": self.room.present()})

    def on_connection_close(self):
        if hasattr(self, "waiting"):
            self.waiting.cancel()
            self.room.poll_ends(self.page)


class LiveHandler(tornado.websocket.WebSocketHandler):
    """The same by websocket."""

    def open(self):
        self.room = self.settings["room"]
        self.room.sockets.add(self)
        cursor = int(self.get_query_argument("cursor", "0"))
        self.send({"messages": self.room.since(cursor), "present": self.room.present()})
        self.room.broadcast({})

    def send(self, event):
        try:
            self.write_message(event)
        except tornado.websocket.WebSocketClosedError:
            self.on_close()

    async def on_message(self, message):
        data = tornado.escape.json_decode(message)
        name = " ".join(str(data.get("name", "")).split())
        text = str(data.get("text", "")).strip()
        if text:
            await self.room.add(name, text)

    def on_close(self):
        self.room.sockets.discard(self)
        self.room.broadcast({})


def make_app(room=None, **settings):
    here = os.path.dirname(os.path.abspath(__file__))
    return tornado.web.Application(
        [
            (r"/", PageHandler),
            (r"/messages", MessageHandler),
            (r"/updates", UpdatesHandler),
            (r"/live", LiveHandler),
        ],
        room=room or Room(),
        template_path=os.path.join(here, "templates"),
        static_path=os.path.join(here, "static"),
        xsrf_cookies=True,
        websocket_ping_interval=20,
        **settings,
    )


async def main():
    parse_command_line()
    make_app(debug=options.debug).listen(options.port, options.address)
    print(f"The chat is at http://{options.address}:{options.port}/", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass  # Ctrl-C is how it ends
