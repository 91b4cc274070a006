"""A service that ends well: on SIGTERM or Ctrl+C requests under way finish, within a bound.

    python examples/native/service.py &
    curl 'http://127.0.0.1:8888/?seconds=5' & sleep 1; kill %1

`run` hears the signal. Then `serve` takes no new connections, says `Connection: close` to those
under way, waits for them up to `grace` seconds, and returns; what was opened around it is closed
last, and nothing is cancelled while it closes. A second signal does not wait for anybody.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tornado_trio import run, serve, web


class Slow(web.RequestHandler):
    async def get(self) -> None:
        await trio.sleep(float(self.get_argument("seconds", "0")))
        self.write("done")


app = web.Application([(r"/", Slow)])


@asynccontextmanager
async def open_database() -> AsyncIterator[None]:
    """Stands for what a service needs, and must close in good order."""
    try:
        yield
    finally:
        await trio.sleep(0.1)
        print("closed", flush=True)


async def main(port: int = 8888) -> None:
    async with open_database():
        await serve(app, port, host="127.0.0.1", grace=30)


if __name__ == "__main__":
    run(main)
