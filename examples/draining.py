"""A Tornado program that ends well: on SIGTERM requests under way finish, within a bound.

    python -m compat examples/draining.py --port=8888

`HTTPServer.drain` is one thing that upstream's Tornado does not have. Without it the program
works as it does there: the signal ends it at once, or `stop` and `close_all_connections` do.
"""

import asyncio
import signal

import tornado.web
from tornado.httpserver import HTTPServer
from tornado.options import define, options, parse_command_line

define("port", default=8888, help="port to listen on", type=int)
define("grace", default=30.0, help="seconds for requests under way", type=float)


class SlowHandler(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(float(self.get_argument("seconds", "0")))
        self.write("done")


async def main():
    parse_command_line()
    server = HTTPServer(tornado.web.Application([(r"/", SlowHandler)]))
    server.listen(options.port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    report = await server.drain(grace=options.grace)
    print(report, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
