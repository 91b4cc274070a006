"""A WSGI application beside Tornado's handlers: on one port, each with its part of the site.

    python -m compat examples/wsgi.py --port=8888

The WSGI application runs in threads, so that it does not hold up the others.
"""

from concurrent.futures import ThreadPoolExecutor

import tornado.web
from tornado.ioloop import IOLoop
from tornado.options import define, options, parse_command_line
from tornado.wsgi import WSGIContainer

define("port", default=8888, help="port to listen on", type=int)


def wsgi_app(environ, start_response):
    """Stands for a site made with Django or Flask."""
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(size)
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} ".encode(), body]


class FastHandler(tornado.web.RequestHandler):
    def get(self):
        self.write("by Tornado")


def make_app():
    container = WSGIContainer(wsgi_app, executor=ThreadPoolExecutor(10))
    return tornado.web.Application(
        [
            (r"/fast", FastHandler),
            (r".*", tornado.web.FallbackHandler, {"fallback": container}),
        ]
    )


if __name__ == "__main__":
    parse_command_line()
    make_app().listen(options.port)
    IOLoop.current().start()
