"""Addresses and what answers them: names, arguments, named groups, redirects, a fallback.

    python -m compat examples/routes.py --port=8888
"""

import tornado.ioloop
import tornado.web
from tornado.options import define, options, parse_command_line
from tornado.web import URLSpec, url

define("port", default=8888, help="port to listen on", type=int)

STORIES = {"1": "The queue", "2": "The lock"}


class IndexHandler(tornado.web.RequestHandler):
    """`reverse_url` makes the address of a route from its name."""

    def get(self):
        for number in STORIES:
            link = self.reverse_url("story", number)
            self.write(f'<a href="{link}">link to story {number}</a>\n')


class StoryHandler(tornado.web.RequestHandler):
    """The dict of the route goes to `initialize`, the group of its pattern to `get`."""

    def initialize(self, stories):
        self.stories = stories

    def get(self, number):
        if number not in self.stories:
            raise tornado.web.HTTPError(404)
        self.write(self.stories[number])


class PeopleNameHandler(tornado.web.RequestHandler):
    def initialize(self, greeting):
        self.greeting = greeting

    async def get(self, name):
        self.write(f"{self.greeting}, {name}")


class PeopleAgeHandler(tornado.web.RequestHandler):
    async def get(self, age):
        self.write(f"everybody of {age}")


class PeopleInfoHandler(tornado.web.RequestHandler):
    """Named groups come as keyword arguments, decoded."""

    async def get(self, name, age):
        self.write({"name": name, "age": int(age)})


class NothingHandler(tornado.web.RequestHandler):
    """Answers whatever no route matches."""

    def prepare(self):
        self.set_status(404)
        self.finish("There is nothing here.")


def make_app():
    return tornado.web.Application(
        [
            url(r"/", IndexHandler, name="index"),
            url(r"/story/([0-9]+)", StoryHandler, {"stories": STORIES}, name="story"),
            URLSpec(r"/people/(\d+)/?", PeopleAgeHandler),
            URLSpec(r"/people/(\w+)/?", PeopleNameHandler, {"greeting": "Hello"}, name="person"),
            URLSpec(r"/people/(?P<name>[^/]+)/(?P<age>\d+)/?", PeopleInfoHandler, name="info"),
            (r"/old/(.*)", tornado.web.RedirectHandler, {"url": "/story/{0}"}),
            (
                r"/moved",
                tornado.web.RedirectHandler,
                {"url": "/people/ann", "permanent": False},
            ),
        ],
        default_handler_class=NothingHandler,
    )


if __name__ == "__main__":
    parse_command_line()
    make_app().listen(options.port)
    tornado.ioloop.IOLoop.current().start()
