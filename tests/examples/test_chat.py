"""The chat of `examples/chat`, an unmodified Tornado program, on the overlay."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.simple_httpclient import HTTPTimeoutError
from tornado.testing import AsyncHTTPTestCase, gen_test
from tornado.websocket import websocket_connect

from .programs import load


class ChatTest(AsyncHTTPTestCase):
    request_timeout = 20.0

    def get_app(self) -> Any:
        self.chat = load("chat/chat.py")
        return self.chat.make_app()

    async def page(self) -> str:
        response = await self.http_client.fetch(self.get_url("/"))
        self.cookie = response.headers["Set-Cookie"].partition(";")[0]
        self.token = self.cookie.partition("=")[2]
        return response.body.decode()

    async def post(self, path: str, **fields: Any) -> HTTPResponse:
        body = urlencode({"_xsrf": self.token, **fields})
        headers = {"Cookie": self.cookie}
        url = self.get_url(path)
        return await self.http_client.fetch(
            url,
            method="POST",
            headers=headers,
            body=body,
            raise_error=False,
            request_timeout=self.request_timeout,
            follow_redirects=False,
        )

    @gen_test
    async def test_page_and_message(self) -> None:
        page = await self.page()
        assert "It is quiet in here." in page
        assert "chat.css?v=" in page
        answer = await self.post("/messages", name=" Jo  Doe ", text="a <b> & c")
        message = json.loads(answer.body)
        assert message["name"] == "Jo Doe"
        page = await self.page()
        assert "a &lt;b&gt; &amp; c" in page
        assert f'data-last="{message["id"]}"' in page

    @gen_test
    async def test_form_without_script(self) -> None:
        await self.page()
        answer = await self.post("/messages", name="", text="hi", next="/")
        assert (answer.code, answer.headers["Location"]) == (302, "/")
        assert "Guest" in await self.page()

    @gen_test
    async def test_refusals(self) -> None:
        await self.page()
        assert (await self.post("/messages", name="x", text="  ")).code == 400
        self.token = "wrong"
        assert (await self.post("/messages", name="x", text="y")).code == 403

    @gen_test
    async def test_long_polling(self) -> None:
        await self.page()
        waiting = self.post("/updates", cursor=0)
        from tornado.gen import convert_yielded, sleep

        future = convert_yielded(waiting)
        await sleep(0.1)
        assert not future.done()
        room = self._app.settings["room"]
        assert room.present() == 1
        await self.post("/messages", name="Jo", text="now")
        answer = json.loads((await future).body)
        assert [message["text"] for message in answer["messages"]] == ["now"]
        # What is there already is answered at once.
        answer = json.loads((await self.post("/updates", cursor=0)).body)
        assert len(answer["messages"]) == 1
        assert room.present() == 1  # it will be back
        # A page that goes while it waits is there no longer.
        self.request_timeout = 0.2
        last = answer["messages"][0]["id"]
        with pytest.raises(HTTPTimeoutError):
            await self.post("/updates", cursor=last)
        for _ in range(100):
            if room.present() == 0:
                break
            await sleep(0.02)
        assert room.present() == 0

    @gen_test
    async def test_websocket(self) -> None:
        await self.page()
        await self.post("/messages", name="Jo", text="before")
        url = self.get_url("/live?cursor=0").replace("http", "ws", 1)
        request = HTTPRequest(url, headers={"Origin": self.get_url("")})
        first = await websocket_connect(request)
        event = json.loads(await first.read_message())
        assert event["messages"][0]["text"] == "before"
        cursor = event["messages"][0]["id"]
        second = await websocket_connect(url.replace("cursor=0", f"cursor={cursor}"))
        assert json.loads(await second.read_message())["messages"] == []
        await second.write_message(json.dumps({"name": "Al", "text": "hello"}))
        while True:
            event = json.loads(await first.read_message())
            if event.get("messages"):
                break
        assert event["messages"][0]["name"] == "Al"
        first.close()
        second.close()
