"""What coroutines wait for in a loop, per second. Usage: awaiting.py ready|pending|spawned|blocked

ready: Futures, made, resolved and awaited; pending: Futures that are resolved a turn later;
spawned: async functions begun by spawn_callback; blocked: the same, a thousand waiting for one
Future at a time.
"""

import sys
import time

from tornado.concurrent import Future
from tornado.ioloop import IOLoop


async def ready(count):
    for _ in range(count):
        future = Future()
        future.set_result(None)
        await future


async def pending(count):
    loop = IOLoop.current()
    for _ in range(count):
        future = Future()
        loop.add_callback(future.set_result, None)
        await future


async def spawned(count, together=50, blocked=False):
    loop = IOLoop.current()
    for _ in range(count // together):
        gate, finished, left = Future(), Future(), together

        async def one(gate=gate, finished=finished):
            nonlocal left
            if blocked:
                await gate
            left -= 1
            if not left:
                finished.set_result(None)

        for _ in range(together):
            loop.spawn_callback(one)
        loop.add_callback(gate.set_result, None)
        await finished


async def blocked(count):
    await spawned(count, 1000, True)


def main():
    function = globals()[sys.argv[1]]
    loop = IOLoop.current()
    loop.run_sync(lambda: function(2000))
    start = time.process_time()
    loop.run_sync(lambda: function(40000))
    print(40000 / (time.process_time() - start))


if __name__ == "__main__":
    main()
