"""`python -m examples.demo` (examples/demo/__main__.py): see examples/demo/__init__.py."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import trio

from examples.native.chat import KEPT, Chat
from examples.native.chat import make_app as make_chat
from tornado_trio import run, serve, web
from tornado_trio.options import options, parse_command_line
from tornado_trio.rooms import Rooms

from .pages import Shown, find
from .waiting import Followed, Waiting, Waits

HERE = Path(__file__).parent
EXAMPLES = HERE.parent
HOST = "127.0.0.1"
SECONDS_TO_START = 30


class Index(web.RequestHandler):
    """The page. It sets the XSRF cookie, which is of the host: both chats go by this one."""

    def get(self) -> None:
        assert self.xsrf_token
        host = self.request.host_name
        pages = {name: f"http://{host}:{port}/" for name, port in self.settings["ports"].items()}
        self.render("index.html", reads=find("README.md") is not None, **pages)


class Source(web.RequestHandler):
    """The programs that are shown, as text."""

    FILES = ("chat/chat.py", "native/chat.py", "demo/waiting.py")

    def get(self, name: str) -> None:
        if name not in self.FILES:
            raise web.HTTPError(404)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.write((EXAMPLES / name).read_text("utf-8"))


def make_app(waits: Waits, ports: dict[str, int]) -> web.Application:
    return web.Application(
        [
            (r"/", Index),
            (r"/wait", Waiting),
            (r"/waits", Followed),
            (r"/source/(.*)", Source),
            (r"/read/(.*)", Shown),
        ],
        waits=waits,
        ports=ports,
        template_path=str(HERE / "templates"),
        static_path=str(HERE / "static"),
    )


def free_ports(count: int) -> list[int]:
    """Ports that are free, just now."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


async def tornado_chat(port: int) -> None:
    """`examples/chat`, as it would be run by hand. It ends when this is cancelled."""
    program = str(EXAMPLES / "chat" / "chat.py")
    command = [sys.executable, "-m", "compat", program, f"--port={port}"]
    environ = {name: text for name, text in os.environ.items() if name != "TORNADO_TRIO_INSPECT"}
    ended = await trio.run_process(command, env=environ, stdout=subprocess.DEVNULL, check=False)
    raise SystemExit(f"{' '.join(command)} has ended, with status {ended.returncode}")


async def listening(port: int) -> None:
    """Wait until the port accepts connections. TooSlowError: it did not in time."""
    with trio.fail_after(SECONDS_TO_START):
        while True:
            try:
                stream = await trio.open_tcp_stream(HOST, port)
            except OSError:
                await trio.sleep(0.05)
            else:
                return await stream.aclose()


class Demo:
    """The servers, and the ports they have."""

    def __init__(self) -> None:
        tornado, native, live = free_ports(3)
        self.ports = {"tornado": tornado, "native": native, "live": live}

    async def __call__(self) -> None:
        async with Rooms(history=KEPT) as rooms, trio.open_nursery() as nursery:
            nursery.start_soon(tornado_chat, self.ports["tornado"])
            await listening(self.ports["tornado"])
            chat = make_chat(Chat(rooms, nursery))
            nursery.start_soon(lambda: serve(chat, self.ports["native"], host=HOST, grace=1))
            await listening(self.ports["native"])
            address = f"http://{HOST}:{options.port}/"
            print(f"The demo is at {address}    (Ctrl-C ends it)", flush=True)
            # What waits, waits for the client: it is not waited for at the end.
            await serve(make_app(Waits(), self.ports), options.port, host=HOST, grace=1)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    parse_command_line()
    demo = Demo()
    run(demo, inspect=f"{HOST}:{demo.ports['live']}")
