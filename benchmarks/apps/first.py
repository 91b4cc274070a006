"""Milliseconds of processor from the start of a program to its first answer. Prints one number."""

import time

from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler


class Hello(RequestHandler):
    def get(self):
        self.write("Hello, world")


async def run():
    sock, port = bind_unused_port()
    HTTPServer(Application([(r"/", Hello)])).add_sockets([sock])
    await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/")


if __name__ == "__main__":
    IOLoop.current().run_sync(run)
    print(time.process_time() * 1000)
