"""Server-sent events: a background task makes news, browsers follow it as it comes.

    python examples/native/events.py
    curl -N http://127.0.0.1:8888/events
    curl -N 'http://127.0.0.1:8888/rows?count=1000000' | head

Each follower has its own pace: it gets what is new since the last event it has had, so
nothing is queued for those who are slow. A follower that comes back says where it was
(`Last-Event-ID`), and misses nothing that is still kept. When a browser goes away, its
handler is cancelled where it waits.
"""

from collections import deque

import trio

from tornado_trio import run, web
from tornado_trio.server import serve


class Feed:
    """Numbered news, of which the last ones are kept."""

    def __init__(self, kept: int = 100) -> None:
        self.last = 0
        self.followers = 0
        self._news: deque[tuple[int, object]] = deque(maxlen=kept)
        self._more = trio.Event()

    def publish(self, data: object) -> None:
        self.last += 1
        self._news.append((self.last, data))
        self._more.set()
        self._more = trio.Event()

    async def after(self, number: int) -> list[tuple[int, object]]:
        """The news since `number`, as soon as there are any. May be cancelled."""
        while number >= self.last:
            await self._more.wait()
        return [item for item in self._news if item[0] > number]


class Events(web.RequestHandler):
    async def get(self) -> None:
        feed: Feed = self.settings["feed"]
        async with self.events(self.settings["heartbeat"]) as send:
            last = send.last_id or ""
            number = min(int(last), feed.last) if last.isascii() and last.isdigit() else feed.last
            feed.followers += 1
            try:
                while True:
                    news = await feed.after(number)
                    for number, data in news:
                        await send(data, id=number)  # no faster than the browser reads
            finally:
                feed.followers -= 1


class Rows(web.RequestHandler):
    """A long answer made while it is sent: it waits for the client, and stays small."""

    async def get(self) -> None:
        self.set_header("Content-Type", "application/x-ndjson")
        for number in range(int(self.get_argument("count", "1000"))):
            self.write(f'{{"row": {number}}}\n')
            if number % 100 == 99:
                await self.flush()


async def ticker(feed: Feed, period: float) -> None:
    """The background task: it ends with the nursery it was started in."""
    while True:
        await trio.sleep(period)
        feed.publish({"time": trio.current_time()})


def make_app(feed: Feed, heartbeat: float = 15) -> web.Application:
    return web.Application(
        [(r"/events", Events), (r"/rows", Rows)], feed=feed, heartbeat=heartbeat
    )


async def main(port: int = 8888) -> None:
    feed = Feed()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ticker, feed, 1)
        # Events never end by themselves: they get two seconds when the service stops.
        await serve(make_app(feed), port, host="127.0.0.1", grace=2)


if __name__ == "__main__":
    run(main)
