"""What the other programs here do, for Quart-Trio; Hypercorn's trio worker serves it."""

from __future__ import annotations

import os
from typing import Any

from quart import Response, request, websocket
from quart_trio import QuartTrio

app = QuartTrio(__name__)
app.config["MAX_CONTENT_LENGTH"] = None


@app.get("/")
async def hello() -> str:
    return "Hello, world"


@app.get("/json/<name>/<int:number>")
async def json_of_path(name: str, number: int) -> dict[str, Any]:
    query, agent = request.args.get("q", ""), request.headers.get("User-Agent", "")
    return {"name": name, "n": number, "q": query, "ua": agent}


@app.post("/echo")
async def echo() -> Any:
    return await request.get_json()


@app.post("/upload")
async def upload() -> str:
    return str(len(await request.get_data()))


@app.get("/download/<int:size>")
async def download(size: int) -> Response:
    return Response(bytes(size))


@app.websocket("/socket")
async def socket() -> None:
    while True:
        await websocket.send(await websocket.receive())


async def route(number: int) -> str:
    return str(number)


for i in range(int(os.environ.get("ROUTES", "0"))):
    app.add_url_rule(f"/route{i}/<int:number>", f"route{i}", route)
