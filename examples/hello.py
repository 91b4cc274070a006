"""The smallest web service: one handler, one route, one loop.

    python -m compat examples/hello.py --port=8888
"""

import tornado.ioloop
import tornado.web
from tornado.options import define, options, parse_command_line

define("port", default=8888, help="port to listen on", type=int)


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        self.write("Hello, world")


def make_app():
    return tornado.web.Application([(r"/", MainHandler)])


if __name__ == "__main__":
    parse_command_line()
    make_app().listen(options.port)
    tornado.ioloop.IOLoop.current().start()
