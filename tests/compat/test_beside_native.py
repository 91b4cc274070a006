"""A native service in a process that has the overlay loaded: each drives its own tasks."""

from __future__ import annotations

from tests.python import python

PROGRAM = """
import compat
import tornado.httpserver  # whose connections drive what they run themselves

import asyncio
import trio
from tornado_trio import web
from tornado_trio.interop import run_with_asyncio
from tornado_trio.testing import memory_server

class Handler(web.RequestHandler):
    async def get(self):
        await asyncio.sleep(0)
        await trio.sleep(0)
        await asyncio.sleep(0)
        self.write("both")

async def main():
    async with memory_server(web.Application([("/", Handler)])) as server:
        answer = await server.get("/")
        print(answer.code, answer.body.decode())

run_with_asyncio(main)
"""


def test_a_hosted_native_service_awaits_asyncio() -> None:
    ended = python("-c", PROGRAM)
    assert (ended.stdout, ended.stderr) == ("200 both\n", "")
