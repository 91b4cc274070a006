"""Options from the command line and from a file; the command line has the last word.

    python -m compat examples/configured.py --config=examples/configured.cfg --port=9000
    python -m compat examples/configured.py --help
"""

import datetime

import tornado.ioloop
import tornado.web
from tornado.options import define, options, parse_command_line, parse_config_file

define("port", default=8888, help="port to listen on", type=int)
define("title", default="Untitled", help="what the page says", group="page")
define("colours", default=["red"], help="some colours", multiple=True, group="page")
define("pause", default=datetime.timedelta(seconds=5), help="such as 90s or 1.5m")
define(
    "config",
    help="a file of settings, which is Python",
    callback=lambda path: parse_config_file(path, final=False),
)


class PageHandler(tornado.web.RequestHandler):
    def get(self):
        self.write(
            {
                "title": options.title,
                "colours": options.colours,
                "pause": options.pause.total_seconds(),
                "page": sorted(options.group_dict("page")),
            }
        )


def make_app():
    return tornado.web.Application([(r"/", PageHandler)])


if __name__ == "__main__":
    parse_command_line()
    make_app().listen(options.port)
    tornado.ioloop.IOLoop.current().start()
