"""A text, JSON made of path and query, a JSON body sent back. Usage: answers.py PORT"""

import json
import logging
import sys

import tornado.ioloop
import tornado.web


class Hello(tornado.web.RequestHandler):
    async def get(self):
        self.write("Hello, world")


class Json(tornado.web.RequestHandler):
    async def get(self, name, number):
        query = self.get_argument("q", "")
        agent = self.request.headers.get("User-Agent", "")
        self.write({"name": name, "n": int(number), "q": query, "ua": agent})


class Echo(tornado.web.RequestHandler):
    async def post(self):
        self.write(json.loads(self.request.body))


def make_app():
    logging.getLogger("tornado.access").disabled = True
    return tornado.web.Application([(r"/", Hello), (r"/json/(\w+)/(\d+)", Json), (r"/echo", Echo)])


def main():
    make_app().listen(int(sys.argv[1]), "127.0.0.1")
    tornado.ioloop.IOLoop.current().start()


if __name__ == "__main__":
    main()
