"""What the other programs here do, for Starlette; uvicorn serves it."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


async def hello(request: Request) -> Response:
    return PlainTextResponse("Hello, world")


async def json_of_path(request: Request) -> Response:
    query = request.query_params.get("q", "")
    agent = request.headers.get("user-agent", "")
    path = request.path_params
    return JSONResponse({"name": path["name"], "n": path["number"], "q": query, "ua": agent})


async def echo(request: Request) -> Response:
    return JSONResponse(await request.json())


async def upload(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def download(request: Request) -> Response:
    return Response(bytes(request.path_params["size"]))


async def route(request: Request) -> Response:
    return PlainTextResponse(str(request.path_params["number"]))


async def socket(ws: WebSocket) -> None:
    await ws.accept()
    async for message in ws.iter_bytes():
        await ws.send_bytes(message)


app = Starlette(
    routes=[
        *(
            Route(f"/route{i}/{{number:int}}", route)
            for i in range(int(os.environ.get("ROUTES", "0")))
        ),
        Route("/", hello),
        Route("/json/{name}/{number:int}", json_of_path),
        Route("/echo", echo, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/download/{size:int}", download),
        WebSocketRoute("/socket", socket),
    ]
)
