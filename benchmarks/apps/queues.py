"""Items through a queue between a producer and a consumer, per second. Prints one number."""

import time

from tornado.ioloop import IOLoop
from tornado.queues import Queue


async def run(count):
    queue = Queue(maxsize=10)

    async def consume():
        async for item in queue:
            queue.task_done()
            if item is None:
                return

    async def produce():
        for number in range(count):
            await queue.put(number)
        await queue.put(None)

    IOLoop.current().spawn_callback(consume)
    await produce()
    await queue.join()


def main():
    loop = IOLoop.current()
    loop.run_sync(lambda: run(1000))
    start = time.process_time()
    loop.run_sync(lambda: run(50000))
    print(50000 / (time.process_time() - start))


if __name__ == "__main__":
    main()
