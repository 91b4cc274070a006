"""The chat's native twin: the same page, in memory and over processes that meet at Redis."""

from __future__ import annotations

import compat  # noqa: F401  isort: skip - for the members, which are Tornado's clients

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from tests.brokers import redis_url
from tests.ports import free_port
from tornado_trio.client import Client, CookieJar, Network, open_client
from tornado_trio.client.websocket import open_websocket
from tornado_trio.net.memory import MemoryNetwork
from tornado_trio.rooms import Rooms
from tornado_trio.testing import memory_server

from .programs import get, load, running
from .test_chat_cluster import Member, _talk

__all__ = ["redis_url"]

PROGRAM = "native/chat.py"
SITE = "http://test.local"


@asynccontextmanager
async def chat_in_memory() -> AsyncIterator[tuple[Any, Client]]:
    example = load(PROGRAM)
    network = MemoryNetwork()
    async with Rooms(history=example.KEPT) as rooms, trio.open_nursery() as nursery:
        chat = example.Chat(rooms, nursery)
        async with (
            memory_server(example.make_app(chat), network=network),
            open_client(network=Network(dial=network.connect), cookies=CookieJar()) as client,
        ):
            yield chat, client
        nursery.cancel_scope.cancel()


async def page_of(client: Client) -> tuple[str, str]:
    """The page, and the token that its form has."""
    page = (await client.get(SITE + "/")).text
    return page, page.partition('name="_xsrf" value="')[2].partition('"')[0]


async def test_page_and_message() -> None:
    async with chat_in_memory() as (_chat, client):
        page, token = await page_of(client)
        assert "It is quiet in here." in page and "chat.css?v=" in page
        form = {"_xsrf": token, "name": " Jo  Doe ", "text": "a <b> & c"}
        message = (await client.post(SITE + "/messages", form=form)).json()
        assert message["name"] == "Jo Doe"
        page, _ = await page_of(client)
        assert "a &lt;b&gt; &amp; c" in page and f'data-last="{message["id"]}"' in page
        form = {"_xsrf": token, "name": "", "text": "hi", "next": "/"}
        answer = await client.post(SITE + "/messages", form=form)
        assert answer.url == SITE + "/" and "Guest" in answer.text
        form["text"] = "  "
        assert (await client.post(SITE + "/messages", form=form)).status == 400
        form["_xsrf"] = "wrong"
        assert (await client.post(SITE + "/messages", form=form)).status == 403


async def test_long_polling() -> None:
    async with chat_in_memory() as (chat, client):
        _, token = await page_of(client)
        answers = []

        async def poll(cursor: int) -> None:
            form = {"_xsrf": token, "cursor": cursor, "page": "p1"}
            answers.append((await client.post(SITE + "/updates", form=form)).json())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll, 0)
            with trio.fail_after(5):
                while chat.present != 1:  # noqa: ASYNC110 - a browser has no event for it
                    await trio.sleep(0.01)
            await chat.say("Ada", "hello")
        assert [message["text"] for message in answers[0]["messages"]] == ["hello"]
        await chat.say("Ada", "again")
        await poll(answers[0]["messages"][0]["id"])
        assert [message["text"] for message in answers[1]["messages"]] == ["again"]
        assert chat.present == 1  # a page that is about to poll again
        # One that goes away in the middle of it is no longer there.
        with trio.move_on_after(0.2):
            await poll(answers[1]["messages"][0]["id"])
        with trio.fail_after(5):
            while chat.present:  # noqa: ASYNC110 - as above
                await trio.sleep(0.01)


async def test_websockets() -> None:
    async with chat_in_memory() as (chat, client):
        first = await chat.say("Ada", "first")
        second = await chat.say("Ada", "second")
        url = f"ws://test.local/live?cursor={first['id']}"
        async with open_websocket(url, client=client) as ws:
            heard: list[Any] = []
            with trio.fail_after(5):
                await ws.send(json.dumps({"name": "Grace", "text": "third"}))
                await ws.send(json.dumps({"name": "Grace", "text": "  "}))
                while len(heard) < 2 or chat.present != 1:
                    heard += json.loads(await ws.receive()).get("messages", [])
            assert [message["text"] for message in heard] == ["second", "third"]
            assert heard[0] == second
        with trio.fail_after(5):
            while chat.present or chat.sockets:  # noqa: ASYNC110 - as above
                await trio.sleep(0.01)


def test_two_processes_at_redis(redis_url: str) -> None:
    ports = [free_port(), free_port()]
    common = (f"--rooms={redis_url}", f"--room={uuid.uuid4().hex}", "--logging=error")
    with (
        running(PROGRAM, f"--port={ports[0]}", *common, overlay=False),
        running(PROGRAM, f"--port={ports[1]}", *common, overlay=False),
    ):
        for port in ports:
            assert "It is quiet in here." in get(f"http://127.0.0.1:{port}/")
        asyncio.run(_talk(ports))
        assert "good evening" in get(f"http://127.0.0.1:{ports[0]}/")


def test_alone() -> None:
    port = free_port()
    with running(PROGRAM, f"--port={port}", overlay=False):
        assert "It is quiet in here." in get(f"http://127.0.0.1:{port}/")

        async def talk() -> None:
            member = await Member().come(port)
            await member.say("Ada", "hello")
            assert await member.until(1, present=1) == ["hello"]
            member.socket.close()

        asyncio.run(talk())
