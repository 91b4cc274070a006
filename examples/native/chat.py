"""The chat of `examples/chat`, natively, over as many processes and machines as meet in a room.

    python examples/native/chat.py --port=8888
    python examples/native/chat.py --port=8889 --rooms=redis://127.0.0.1:6379/0

The page is the same, and so are the messages it gets. They are in `Rooms`: in memory, or where
`--rooms` says. A page that was away comes back with the number of the last message it has, to
whichever process, and misses nothing.
"""

import json
import os.path
import time

import trio

from tornado_trio import run, serve, web
from tornado_trio.options import define, options, parse_command_line
from tornado_trio.rooms import Message, Rooms
from tornado_trio.websocket import ConnectionClosed, WebSocket, broadcast

define("port", default=8888, help="port to listen on", type=int)
define("address", default="127.0.0.1", help="address to listen on")
define("rooms", type=str, help="where the processes meet, redis://...; nothing: this one alone")
define("room", default="lobby", help="the room's name there")

KEPT = 200
LONGEST_MESSAGE = 2000
LONGEST_NAME = 24
POLL_SECONDS = 25
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "chat")


def number(message_id: str) -> int:
    """The page counts: "1700000000000-2" is 1700000000000002."""
    first, _, second = message_id.partition("-")
    return int(first) * 1000 + int(second)


def since(cursor: str) -> str:
    """And back."""
    count = int(cursor) if cursor.isdecimal() else 0
    return f"{count // 1000}-{count % 1000}"


def shown(message: Message) -> dict[str, object]:
    return {"id": number(message.id), **json.loads(message.data)}


def event(message: Message) -> str:
    """A message as sent to websockets: made once for all of them."""
    return json.dumps({"messages": [shown(message)]})


class Chat:
    """The room, and how many are in it. What it does by itself is in `nursery`."""

    def __init__(self, rooms: Rooms, nursery: trio.Nursery, room: str = "lobby") -> None:
        self.rooms = rooms
        self.room = room
        self.present = 0
        self.sockets: set[WebSocket] = set()
        self.polling: dict[str, trio.CancelScope] = {}  # page: while it counts as present
        self.nursery = nursery
        nursery.start_soon(self.count)

    async def say(self, name: str, text: str) -> dict[str, object]:
        said = {
            "name": " ".join(name.split())[:LONGEST_NAME] or "Guest",
            "text": text.strip()[:LONGEST_MESSAGE],
            "time": time.strftime("%H:%M"),
        }
        return {"id": number(await self.rooms.publish(self.room, json.dumps(said))), **said}

    async def count(self) -> None:
        """Tell the pages here how many people there are, over all processes."""
        async with self.rooms.changes(self.room) as changes:
            async for change in changes:
                self.present = sum(len(pages) for pages in change.present.values())
                broadcast(self.sockets, json.dumps({"present": self.present}))


    def poll_begins(self, page: str) -> None:
        """A page polls; until it is late for its next poll, it counts as present."""
        late = trio.current_time() + 2 * POLL_SECONDS
        if page in self.polling:
            self.polling[page].deadline = late
        else:
            self.polling[page] = trio.CancelScope(deadline=late)
            self.nursery.start_soon(self.stay, page, self.polling[page])

    async def stay(self, page: str, scope: trio.CancelScope) -> None:
        with scope:
            async with self.rooms.track(self.room, page):
                await trio.sleep_forever()
        del self.polling[page]


class BaseHandler(web.RequestHandler):
    @property
    def chat(self) -> Chat:
        chat: Chat = self.settings["chat"]
        return chat


class Page(BaseHandler):
    async def get(self) -> None:
        messages = [shown(message) for message in await self.chat.rooms.history(self.chat.room)]
        self.render(
            "index.html",
            messages=messages,
            last=messages[-1]["id"] if messages else 0,
            present=self.chat.present,
            transport=self.get_argument("transport", "websocket"),
        )


class Messages(BaseHandler):
    """A message is posted by the form of the page, with or without JavaScript."""

    async def post(self) -> None:
        text = self.get_body_argument("text")
        if not text.strip():
            raise web.HTTPError(400, reason="Empty message")
        message = await self.chat.say(self.get_body_argument("name"), text)
        if self.get_body_argument("next", None):
            self.redirect("/")
        else:
            self.write(message)


class Updates(BaseHandler):
    """Long polling: the answer comes when there is a message, or empty after a while.

    A page that leaves has its handler cancelled where it waits.
    """

    async def post(self) -> None:
        cursor = since(self.get_body_argument("cursor", "0"))
        chat, page, found = self.chat, self.get_body_argument("page", ""), []
        chat.poll_begins(page)
        try:
            async with chat.rooms.subscribe(chat.room, since=cursor) as messages:
                with trio.move_on_after(POLL_SECONDS):
                    found.append(shown(await anext(messages)))
                with trio.move_on_after(0.01):  # and those right behind it
                    async for message in messages:
                        found.append(shown(message))  # noqa: PERF401 - the time may be up
        except trio.Cancelled:  # it has left
            if page in chat.polling:
                chat.polling[page].cancel()
            raise
        self.write({"messages": found, "present": self.chat.present})


class Live(web.WebSocketHandler):
    """The same by websocket."""

    async def open(self, ws: WebSocket) -> None:
        chat: Chat = self.settings["chat"]
        cursor = since(self.get_query_argument("cursor", "0"))
        chat.sockets.add(ws)
        try:
            join = chat.rooms.join(chat.room, ws, since=cursor, encode=event, key="websocket")
            async with join:
                await ws.send(json.dumps({"present": chat.present}))
                async for message in ws:
                    said = json.loads(message)
                    if str(said.get("text", "")).strip():
                        await chat.say(str(said.get("name", "")), str(said["text"]))
        except ConnectionClosed:
            pass  # in the middle of our answer
        finally:
            chat.sockets.discard(ws)


def make_app(chat: Chat) -> web.Application:
    return web.Application(
        [(r"/", Page), (r"/messages", Messages), (r"/updates", Updates), (r"/live", Live)],
        chat=chat,
        template_path=os.path.join(HERE, "templates"),
        static_path=os.path.join(HERE, "static"),
        xsrf_cookies=True,
    )


async def main() -> None:
    async with Rooms(options.rooms, history=KEPT, prefix="chat") as rooms:
        async with trio.open_nursery() as nursery:
            chat = Chat(rooms, nursery, options.room)
            # Pages that poll are not waited for at the end: they ask again, elsewhere.
            await serve(make_app(chat), options.port, host=options.address, grace=2)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    parse_command_line()
    run(main)
