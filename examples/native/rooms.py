"""Rooms to talk in, by websocket: what one says, all in the room hear.

    python examples/native/rooms.py
    # at http://127.0.0.1:8888/, in the browser's console (other sites are refused):
    # ws = new WebSocket("ws://127.0.0.1:8888/rooms/blue")

`broadcast` does not wait. A member that does not read fast enough loses the oldest of the
messages that wait for it: memory stays bounded, and the others do not notice. The session is a
block: a member leaves the room when it ends, however it ends.
"""

from collections import defaultdict

from tornado_trio import run, web
from tornado_trio.server import serve
from tornado_trio.websocket import SlowConsumer, WebSocket, WebSocketOptions, broadcast


class Rooms:
    def __init__(self) -> None:
        self.members: defaultdict[str, set[WebSocket]] = defaultdict(set)

    def leave(self, room: str, ws: WebSocket) -> None:
        self.members[room].discard(ws)
        if not self.members[room]:
            del self.members[room]


class Room(web.WebSocketHandler):
    websocket_options = WebSocketOptions(
        slow_consumer=SlowConsumer.DROP_OLDEST,
        send_buffer=64 * 1024,
        max_message_size=4096,
    )

    async def open(self, ws: WebSocket, room: str) -> None:
        """One member's visit."""
        rooms: Rooms = self.settings["rooms"]
        here = rooms.members[room]
        here.add(ws)
        try:
            broadcast(here, f"{len(here)} are here")
            async for message in ws:
                broadcast(here, message)
        finally:
            rooms.leave(room, ws)


class Overview(web.RequestHandler):
    def get(self) -> None:
        rooms: Rooms = self.settings["rooms"]
        self.write({name: len(members) for name, members in rooms.members.items()})


def make_app(rooms: Rooms) -> web.Application:
    return web.Application([(r"/", Overview), (r"/rooms/(\w{1,50})", Room)], rooms=rooms)


async def main(port: int = 8888) -> None:
    await serve(make_app(Rooms()), port, host="127.0.0.1", grace=2)


if __name__ == "__main__":
    run(main)
