"""A protocol of one's own: a server of lines over TCP, and a client for it.

    python -m compat examples/tcp.py --port=7000
    telnet 127.0.0.1 7000

Each line comes back in upper case; `quit` ends the connection.
"""

from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.options import define, options, parse_command_line
from tornado.tcpclient import TCPClient
from tornado.tcpserver import TCPServer

define("port", default=7000, help="port to listen on", type=int)


class ShoutServer(TCPServer):
    async def handle_stream(self, stream, address):
        try:
            while True:
                line = await stream.read_until(b"\n", max_bytes=1000)
                if line.strip() == b"quit":
                    return
                await stream.write(line.upper())
        except StreamClosedError:
            pass  # the other side went away: nothing is left to do
        finally:
            stream.close()


async def shout(host, port, lines):
    """What the server makes of `lines`."""
    stream = await TCPClient().connect(host, port)
    answers = []
    try:
        for line in lines:
            await stream.write(line.encode() + b"\n")
            answers.append((await stream.read_until(b"\n")).decode().strip())
    finally:
        stream.close()
    return answers


if __name__ == "__main__":
    parse_command_line()
    ShoutServer().listen(options.port)
    IOLoop.current().start()
