"""Steps of coroutines per second, generators and natives. Prints one number."""

import asyncio
import sys
import time

from tornado import gen
from tornado.concurrent import Future
from tornado.ioloop import IOLoop


def done():
    future = Future()
    future.set_result(1)
    return future


@gen.coroutine
def generator_child(value):
    yield gen.moment
    raise gen.Return(value)


@gen.coroutine
def generator(count):
    for number in range(count):
        yield done()
        yield generator_child(number)


async def native_child(value):
    await asyncio.sleep(0)
    return value


async def native(count):
    for number in range(count):
        await done()
        await native_child(number)


def main():
    function = {"generator": generator, "native": native}[sys.argv[1]]
    loop = IOLoop.current()
    loop.run_sync(lambda: function(1000))
    start = time.process_time()
    loop.run_sync(lambda: function(30000))
    print(30000 / (time.process_time() - start))


if __name__ == "__main__":
    main()
