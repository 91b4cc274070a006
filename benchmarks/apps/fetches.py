"""Fetches of AsyncHTTPClient per second. Usage: fetches.py URL [HOW_MANY_AT_A_TIME]

Prints fetches per second, and processor time per fetch in µs.
"""

import sys
import time

from tornado import gen
from tornado.httpclient import AsyncHTTPClient
from tornado.ioloop import IOLoop


async def run(count, together):
    client = AsyncHTTPClient()
    left = count

    async def worker():
        nonlocal left
        while left > 0:
            left -= 1
            response = await client.fetch(sys.argv[1])
            assert response.body == b"Hello, world"

    await gen.multi([worker() for _ in range(together)])


def main():
    together = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    AsyncHTTPClient.configure(None, max_clients=together)
    loop = IOLoop.current()
    loop.run_sync(lambda: run(100, together))
    start, used = time.perf_counter(), time.process_time()
    loop.run_sync(lambda: run(2000, together))
    print(2000 / (time.perf_counter() - start), (time.process_time() - used) / 2000 * 1e6)


if __name__ == "__main__":
    main()
