"""A service that ends well: on SIGTERM or Ctrl+C requests under way finish, within a bound.

    python examples/native/service.py &
    curl 'http://127.0.0.1:8888/?seconds=5' & sleep 1; kill %1

`serve` is cancelled like any task. Then it takes no new connections, says `Connection: close`
to those under way, waits for them up to `grace` seconds, and returns.
"""

import signal
from functools import partial

import trio

from tornado_trio import serve, web


class Slow(web.RequestHandler):
    async def get(self) -> None:
        await trio.sleep(float(self.get_argument("seconds", "0")))
        self.write("done")


app = web.Application([(r"/", Slow)])


async def stop_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            print(f"ending, because of {signal.Signals(number).name}", flush=True)
            scope.cancel()


async def main(port: int = 8888) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop_on_signal, nursery.cancel_scope)
        server = partial(serve, app, port, host="127.0.0.1", grace=30)
        await nursery.start(server)  # returns when it listens
        print(f"serving on http://127.0.0.1:{port}/", flush=True)


if __name__ == "__main__":
    trio.run(main)
