"""What the other programs here do, for FastAPI; uvicorn serves it."""

# No `from __future__ import annotations`: FastAPI reads the annotations of `route`, made in a loop.
import os
from typing import Any

from fastapi import Body, FastAPI, Request, Response, WebSocket
from fastapi.responses import PlainTextResponse

app = FastAPI()


async def route(number: int) -> str:
    return str(number)


for i in range(int(os.environ.get("ROUTES", "0"))):
    app.get(f"/route{i}/{{number}}", response_class=PlainTextResponse)(route)


@app.get("/", response_class=PlainTextResponse)
async def hello() -> str:
    return "Hello, world"


@app.get("/json/{name}/{number}")
async def json_of_path(name: str, number: int, request: Request, q: str = "") -> dict[str, Any]:
    return {"name": name, "n": number, "q": q, "ua": request.headers.get("user-agent", "")}


@app.post("/echo")
async def echo(body: dict[str, Any] = Body(...)) -> dict[str, Any]:  # noqa: B008 - FastAPI's way
    return body


@app.post("/upload", response_class=PlainTextResponse)
async def upload(request: Request) -> str:
    return str(len(await request.body()))


@app.get("/download/{size}")
async def download(size: int) -> Response:
    return Response(bytes(size))


@app.websocket("/socket")
async def socket(ws: WebSocket) -> None:
    await ws.accept()
    async for message in ws.iter_bytes():
        await ws.send_bytes(message)
