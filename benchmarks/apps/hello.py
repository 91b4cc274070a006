"""The smallest handlers: plain, async and coroutine. Usage: hello.py PORT"""

import sys

import tornado.gen
import tornado.ioloop
import tornado.web


class Plain(tornado.web.RequestHandler):
    def get(self):
        self.write("Hello, world")


class Async(tornado.web.RequestHandler):
    async def get(self):
        self.write("Hello, world")


class Coroutine(tornado.web.RequestHandler):
    @tornado.gen.coroutine
    def get(self):
        yield tornado.gen.moment
        self.write("Hello, world")


def main():
    app = tornado.web.Application([(r"/", Plain), (r"/async", Async), (r"/coroutine", Coroutine)])
    app.listen(int(sys.argv[1]), "127.0.0.1")
    tornado.ioloop.IOLoop.current().start()


if __name__ == "__main__":
    main()
