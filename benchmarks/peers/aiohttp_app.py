"""What the other programs here do, for aiohttp."""

from __future__ import annotations

import os
import sys

from aiohttp import WSMsgType, web


async def hello(request: web.Request) -> web.StreamResponse:
    return web.Response(text="Hello, world")


async def json_of_path(request: web.Request) -> web.StreamResponse:
    path, query = request.match_info, request.query.get("q", "")
    agent = request.headers.get("User-Agent", "")
    answer = {"name": path["name"], "n": int(path["number"]), "q": query, "ua": agent}
    return web.json_response(answer)


async def echo(request: web.Request) -> web.StreamResponse:
    return web.json_response(await request.json())


async def upload(request: web.Request) -> web.StreamResponse:
    return web.Response(text=str(len(await request.read())))


async def download(request: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(int(request.match_info["size"])))


async def route(request: web.Request) -> web.StreamResponse:
    return web.Response(text=request.match_info["number"])


async def socket(request: web.Request) -> web.StreamResponse:
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    async for message in ws:
        if message.type == WSMsgType.BINARY:
            await ws.send_bytes(message.data)
    return ws


app = web.Application(client_max_size=1 << 30)
app.add_routes(
    [
        *(
            web.get(rf"/route{i}/{{number:\d+}}", route)
            for i in range(int(os.environ.get("ROUTES", "0")))
        ),
        web.get("/", hello),
        web.get(r"/json/{name}/{number:\d+}", json_of_path),
        web.post("/echo", echo),
        web.post("/upload", upload),
        web.get(r"/download/{size:\d+}", download),
        web.get("/socket", socket),
    ]
)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
