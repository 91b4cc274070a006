"""Blocking functions belong into threads: three ways to wait for one.

    python -m compat examples/blocking.py --port=8888
    curl 'http://127.0.0.1:8888/yield?word=swordfish'

Meanwhile the loop serves others: try `/` while the hashes are computed.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import tornado.web
from tornado import gen
from tornado.concurrent import run_on_executor
from tornado.ioloop import IOLoop
from tornado.options import define, options, parse_command_line

define("port", default=8888, help="port to listen on", type=int)

thread_pool = ThreadPoolExecutor(4)


def slow_hash(word):
    """Slow on purpose, as hashes of passwords should be."""
    return hashlib.pbkdf2_hmac("sha256", word.encode(), b"salt", 20_000).hex()


class YieldHandler(tornado.web.RequestHandler):
    """A `@coroutine` may yield the future of an executor."""

    @gen.coroutine
    def get(self):
        digest = yield thread_pool.submit(slow_hash, self.get_argument("word"))
        self.write(digest)


class AwaitHandler(tornado.web.RequestHandler):
    """`run_in_executor` returns something to await; None would be the loop's own pool."""

    async def get(self):
        loop = IOLoop.current()
        self.write(await loop.run_in_executor(thread_pool, slow_hash, self.get_argument("word")))


class MethodHandler(tornado.web.RequestHandler):
    """A method that always runs in the pool called `executor`."""

    executor = thread_pool

    @run_on_executor
    def compute(self, word):
        return slow_hash(word)

    async def get(self):
        self.write(await self.compute(self.get_argument("word")))


class FreeHandler(tornado.web.RequestHandler):
    def get(self):
        self.write("not blocked")


def make_app():
    return tornado.web.Application(
        [
            (r"/", FreeHandler),
            (r"/yield", YieldHandler),
            (r"/await", AwaitHandler),
            (r"/method", MethodHandler),
        ]
    )


if __name__ == "__main__":
    parse_command_line()
    make_app().listen(options.port)
    IOLoop.current().start()
