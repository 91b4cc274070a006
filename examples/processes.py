"""One process, or several that share a port: the three ways to start a server.

    python -m compat examples/processes.py --style=single
    python -m compat examples/processes.py --style=simple --processes=2
    python -m compat examples/processes.py --style=advanced --processes=0

0 processes means one for each core. The page tells which process has answered.
"""

import os

import tornado.netutil
import tornado.process
import tornado.web
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.options import define, options, parse_command_line

define("port", default=8888, help="port to listen on", type=int)
define("style", default="single", help="single, simple or advanced")
define("processes", default=2, help="how many; 0: one for each core", type=int)


class WhoHandler(tornado.web.RequestHandler):
    def get(self):
        self.write({"pid": os.getpid(), "task": tornado.process.task_id()})


def make_app():
    return tornado.web.Application([(r"/", WhoHandler)])


def single(app, port):
    server = HTTPServer(app)
    server.listen(port)
    return server


def simple(app, port, processes):
    server = HTTPServer(app)
    server.bind(port)
    server.start(processes)  # forks
    return server


def advanced(app, port, processes):
    """Full control: sockets first, then the fork, then a server in each process."""
    sockets = tornado.netutil.bind_sockets(port)
    tornado.process.fork_processes(processes)
    server = HTTPServer(app)
    server.add_sockets(sockets)
    return server


if __name__ == "__main__":
    parse_command_line()
    if options.style == "single":
        single(make_app(), options.port)
    elif options.style == "simple":
        simple(make_app(), options.port, options.processes)
    else:
        advanced(make_app(), options.port, options.processes)
    IOLoop.current().start()
