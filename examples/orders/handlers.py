"""Requests: part of examples/orders."""

from __future__ import annotations

import dataclasses
import json
import secrets
from http import HTTPStatus
from typing import Any

import trio

from tornado_trio import web
from tornado_trio.client import ClientError

from .state import State

MAX_UPLOAD = 8 * 1024 * 1024
STATUSES = ("new", "paid", "sent")


class Problem(web.HTTPError):
    """An error whose text is for the client (RFC 9457)."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(status, "%s", detail)
        self.detail = detail


class Base(web.RequestHandler):
    @property
    def state(self) -> State:
        state: State = self.settings["state"]
        return state

    def reply(self, value: Any, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(value, default=dataclasses.asdict))

    def json_body(self) -> dict[str, Any]:
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        # curl -d says that it is a form; the examples would be longer otherwise.
        if kind not in ("application/json", "application/x-www-form-urlencoded"):
            raise Problem(415, "application/json is understood")
        try:
            value = json.loads(self.request.body)
        except ValueError as error:
            raise Problem(400, f"the body is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise Problem(422, "the body is not an object")
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        text = self.get_query_argument(name, str(default))
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise Problem(422, f"{name} is a number from {least} to {most}")
        return int(text)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        problem: dict[str, Any] = {"status": status_code, "title": HTTPStatus(status_code).phrase}
        if isinstance(error, Problem):
            problem["detail"] = error.detail
        self.set_header("Content-Type", "application/problem+json")
        self.finish(json.dumps(problem))


class NotFound(Base):
    def prepare(self) -> None:
        raise Problem(404, "there is no such page")


class Orders(Base):
    async def get(self) -> None:
        after = self.number("after", 0, 0, 10**15)
        limit = self.number("limit", 20, 1, 100)
        self.reply(await self.state.db.orders(after, limit))

    @web.timeout(5)
    async def post(self) -> None:
        body = self.json_body()
        item, quantity = body.get("item"), body.get("quantity", 1)
        if not isinstance(item, str) or not 1 <= len(item) <= 80:
            raise Problem(422, "item is a text of 1 to 80 characters")
        if not isinstance(quantity, int) or not 1 <= quantity <= 1000:
            raise Problem(422, "quantity is a number from 1 to 1000")
        # Once begun, it is done, whether the client waits for the answer or not.
        async with web.critical(timeout=5):
            order = await self.state.db.insert(item, quantity)
            self.state.work.set()
            await self.state.feed.poll()
        self.set_header("Location", f"/orders/{order.id}")
        self.reply(order, 201)


class OneOrder(Base):
    async def get(self, order: str) -> None:
        found = await self.state.db.get(int(order))
        if found is None:
            raise Problem(404, "there is no such order")
        self.reply(found)

    async def put(self, order: str) -> None:
        status = self.json_body().get("status")
        if status not in STATUSES:
            raise Problem(422, f"status is one of {', '.join(STATUSES)}")
        if not await self.state.db.set_status(int(order), status):
            raise Problem(404, "there is no such order")
        await self.state.feed.poll()
        self.set_status(204)


class Price(Base):
    """Asks another service: the request's deadline is the deadline of the question."""

    @web.timeout(1)
    async def get(self) -> None:
        params = {"seconds": self.get_query_argument("seconds", "0")}
        try:
            response = await self.state.client.get(self.state.quote_url, params=params)
            self.reply({"price": response.raise_for_status().json()["quote"]})
        except ClientError as error:
            raise Problem(502, f"no quote: {type(error).__name__}") from error


class Quote(Base):
    """Stands for the other service."""

    async def get(self) -> None:
        await trio.sleep(self.number("seconds", 0, 0, 60))
        self.reply({"quote": 7})


@web.stream_request_body
class Upload(Base):
    def prepare(self) -> None:
        self.request.connection.set_max_body_size(MAX_UPLOAD)

    async def post(self) -> None:
        """Files of a form, each to disk as it comes; one that is cut short leaves nothing."""
        saved = []
        async for part in web.form_parts(self.request, web.FormLimits(max_part_size=MAX_UPLOAD)):
            if part.filename is None:
                continue
            path = self.state.uploads / secrets.token_hex(8)
            try:
                async with await trio.open_file(path, "wb") as file:
                    async for chunk in part:
                        await file.write(chunk)
            except BaseException:  # cancelled, too
                path.unlink(missing_ok=True)
                raise
            saved.append({"name": path.name, "size": path.stat().st_size})
        self.reply(saved, 201)


class MetricsPage(Base):
    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; version=0.0.4")
        self.write("\n".join(self.state.metrics.lines()) + "\n")
