"""What an attacker's bytes cost a server: ms of its processor for one flood.

    floods.py multipart|percent|deflate|trickle

Another program sends (`flood_sender.py`; a fork of this one would share its memory, and the
server would pay for a copy of each page it writes to); the figure is the server's own. Each flood
is one that was quadratic, or many times dearer than it need be, in some server of this kind.
"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import tornado.httpserver
import tornado.iostream
import tornado.tcpserver
import tornado.web
import tornado.websocket

SENDER = Path(__file__).with_name("flood_sender.py")


class Form(tornado.web.RequestHandler):
    def post(self) -> None:
        self.finish(str(len(self.request.body_arguments["a"][0])))


class Socket(tornado.websocket.WebSocketHandler):
    def get_compression_options(self) -> dict:
        return {}

    def on_message(self, message: bytes) -> None:
        pass


class Lines(tornado.tcpserver.TCPServer):
    async def handle_stream(self, stream: tornado.iostream.IOStream, address: object) -> None:
        await stream.read_until_regex(rb"\r?\n\r?\n")
        stream.close()


def client(flood: str, port: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, SENDER, flood, str(port)])


async def main() -> None:
    flood = sys.argv[1]
    application = tornado.web.Application([("/form", Form), ("/socket", Socket)])
    if flood == "trickle":
        server = Lines()
    else:
        server = tornado.httpserver.HTTPServer(application)
    server.listen(0, "127.0.0.1")
    (sock,) = server._sockets.values()
    port = sock.getsockname()[1]
    costs = []
    for _ in range(3):  # the first one pays for what a process does once
        sender = client(flood, port)
        before = time.process_time()
        await asyncio.get_running_loop().run_in_executor(None, sender.wait)
        costs.append(time.process_time() - before)
    print(f"{min(costs) * 1000:.1f}")


asyncio.run(main())
