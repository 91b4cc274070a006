"""Rooms to talk in, by websocket: what one says, all in the room hear.

    python examples/native/rooms.py
    # in a browser's console:  ws = new WebSocket("ws://127.0.0.1:8888/rooms/blue")

`broadcast` waits for nobody. A member that does not read fast enough loses the oldest of the
messages that wait for it: memory stays bounded, and the others do not notice. The session is a
block: a member leaves the room when it ends, however it ends.
"""

from collections import defaultdict

import trio

from tornado_trio import web
from tornado_trio.exchange import Exchange
from tornado_trio.server import serve
from tornado_trio.websocket import (
    HandshakeError,
    SlowConsumer,
    WebSocket,
    WebSocketOptions,
    accept,
    broadcast,
)

OPTIONS = WebSocketOptions(
    slow_consumer=SlowConsumer.DROP_OLDEST,
    send_buffer=64 * 1024,
    max_message_size=4096,
)


class Rooms:
    def __init__(self) -> None:
        self.members: defaultdict[str, set[WebSocket]] = defaultdict(set)

    async def live(self, exchange: Exchange) -> None:
        """One member's visit; an application for a `FallbackHandler`."""
        room = exchange.start_line.path.rpartition("/")[2]
        try:
            async with accept(exchange, options=OPTIONS) as ws:
                self.members[room].add(ws)
                try:
                    broadcast(self.members[room], f"{len(self.members[room])} are here")
                    async for message in ws:
                        broadcast(self.members[room], message)
                finally:
                    self.members[room].discard(ws)
                    if not self.members[room]:
                        del self.members[room]
        except HandshakeError:
            pass  # no websocket was asked for, or from another site: refused already


class Overview(web.RequestHandler):
    def get(self) -> None:
        rooms: Rooms = self.settings["rooms"]
        self.write({name: len(members) for name, members in rooms.members.items()})


def make_app(rooms: Rooms) -> web.Application:
    return web.Application(
        [
            (r"/", Overview),
            (r"/rooms/\w{1,50}", web.FallbackHandler, {"fallback": rooms.live}),
        ],
        rooms=rooms,
    )


async def main(port: int = 8888) -> None:
    await serve(make_app(Rooms()), port, host="127.0.0.1", grace=2)


if __name__ == "__main__":
    try:
        trio.run(main)
    except* KeyboardInterrupt:
        pass
