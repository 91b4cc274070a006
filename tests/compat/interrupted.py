"""A program that is interrupted: by itself, at moments nobody chose, or while it is busy.

    python interrupted.py often 200    200 loops, each serving requests until its Ctrl-C
    python interrupted.py opened 200   the same in a trio run each
    python interrupted.py callback     busy in one place (see `PLACES`), until someone's Ctrl-C
    python interrupted.py idle         not busy at all: in `run_sync`
    python interrupted.py in_trio      the same in a trio run
"""

import asyncio
import os
import random
import signal
import sys
import threading
import time

import tornado.gen
import tornado.httpserver
import tornado.testing
import tornado.web
import trio
from tornado.httpclient import AsyncHTTPClient
from tornado.ioloop import IOLoop, PeriodicCallback

import compat
from tornado_trio._util.interrupts import interrupt_in


def busy():
    print("busy", flush=True)
    while True:
        pass


async def busy_after_future():
    await tornado.gen.sleep(0.001)
    busy()


async def busy_after_asyncio():
    await asyncio.sleep(0.001)
    busy()


async def busy_after_trio():
    await trio.sleep(0.001)
    busy()


async def idle(wait):
    IOLoop.current().call_later(0.01, print, "busy", flush=True)  # waiting, by then
    try:
        await wait(60)
    finally:
        print("cleaned up", flush=True)


def interrupt_while_idle(wait):
    """The interrupt leaves `run_sync`; the coroutine goes on where the loop does."""
    loop = IOLoop.current()
    try:
        loop.run_sync(lambda: idle(wait))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    loop.run_sync(lambda: tornado.gen.sleep(0.01))
    print("still there", flush=True)
    loop.close()


@tornado.gen.coroutine
def busy_generator():
    yield tornado.gen.sleep(0.001)
    busy()


async def busy_until_interrupted():
    await asyncio.sleep(0.001)
    try:
        busy()
    except KeyboardInterrupt:
        print("went on", flush=True)
        IOLoop.current().stop()


class BusyHandler(tornado.web.RequestHandler):
    async def get(self):
        await tornado.gen.sleep(0.001)
        busy()


class WaitingHandler(tornado.web.RequestHandler):
    async def get(self):
        await IOLoop.current().run_in_executor(None, time.sleep, 0)
        await trio.lowlevel.checkpoint()
        await asyncio.sleep(0)
        self.write("answered")


def listen(handler):
    sock, port = tornado.testing.bind_unused_port()
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", handler)]))
    server.add_socket(sock)
    return server, f"http://127.0.0.1:{port}/"


def in_handler():
    url = listen(BusyHandler)[1]
    IOLoop.current().add_callback(AsyncHTTPClient().fetch, url)


def spawn(coroutine):
    return lambda: IOLoop.current().spawn_callback(coroutine)


PLACES = {
    "callback": lambda: IOLoop.current().add_callback(busy),
    "timeout": lambda: IOLoop.current().call_later(0.01, busy),
    "periodic": lambda: PeriodicCallback(busy, 1).start(),
    "asyncio": spawn(busy_after_asyncio),
    "trio": spawn(busy_after_trio),
    "generator": spawn(busy_generator),
    "handler": in_handler,
    "run_sync": lambda: IOLoop.current().run_sync(busy_after_asyncio),
    "caught": spawn(busy_until_interrupted),
}


async def fetch_for_ever(url):
    client = AsyncHTTPClient()
    while True:
        await client.fetch(url)


def serve_and_fetch(loop):
    server, url = listen(WaitingHandler)
    loop.spawn_callback(fetch_for_ever, url)
    loop.spawn_callback(fetch_for_ever, url)
    return server


class Interrupt(threading.Thread):
    """Ctrl-C, some time after `aimed` is set."""

    def __init__(self):
        super().__init__()
        self.aimed = threading.Event()
        self.start()

    def run(self):
        self.aimed.wait()
        time.sleep(random.uniform(0, 0.02))
        os.kill(os.getpid(), signal.SIGINT)


def interrupt_once():
    """Serve and fetch until Ctrl-C, which comes soon; whether there was one."""
    loop = IOLoop()
    loop.make_current()
    give_up = loop.call_later(5, loop.stop)
    server = serve_and_fetch(loop)
    interrupt = Interrupt()
    loop.add_callback(interrupt.aimed.set)
    try:
        loop.start()
    except KeyboardInterrupt:
        return True
    finally:
        interrupt.join()
        loop.remove_timeout(give_up)
        server.stop()
        loop.close()
    return False


async def interrupt_trio():
    """As `interrupt_once`, in a plain trio run."""
    async with compat.open_loop() as loop:
        server = serve_and_fetch(loop)
        interrupt = Interrupt()
        try:
            interrupt.aimed.set()
            await trio.sleep(5)
        finally:
            interrupt.join()
            server.stop()


def interrupted_trio():
    try:
        trio.run(interrupt_trio)
    except BaseException as error:  # a group of them, where tasks were interrupted
        return interrupt_in(error) is not None
    return False


async def busy_in_trio():
    async with compat.open_loop() as loop:
        loop.spawn_callback(busy_after_future)
        await trio.sleep_forever()


if __name__ == "__main__":
    if sys.argv[1] == "often":
        print(sum(interrupt_once() for _ in range(int(sys.argv[2]))))
    elif sys.argv[1] == "opened":
        print(sum(interrupted_trio() for _ in range(int(sys.argv[2]))))
    elif sys.argv[1] == "idle":
        interrupt_while_idle({"asyncio": asyncio, "trio": trio}[sys.argv[2]].sleep)
    elif sys.argv[1] == "in_trio":
        try:
            trio.run(busy_in_trio)
        except BaseException as error:
            sys.exit(interrupt_in(error) is None)
    else:
        PLACES[sys.argv[1]]()
        IOLoop.current().start()
