"""Requests: part of examples/orders."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

import msgspec
import trio
from msgspec import Meta

from tornado_trio import api, web
from tornado_trio.api import Problem
from tornado_trio.client import ClientError

from .db import Order
from .state import State

MAX_UPLOAD = 8 * 1024 * 1024

Number = Annotated[int, Meta(ge=0, le=10**15)]


class NewOrder(msgspec.Struct):
    item: Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[^\u0000]*$")]
    quantity: Annotated[int, Meta(ge=1, le=1000)] = 1


class Change(msgspec.Struct):
    status: Literal["new", "paid", "sent"]


class Saved(msgspec.Struct):
    name: str
    size: int


class Base(api.Handler[State]):
    """Errors are problem documents (RFC 9457), here and in all below."""

    @property
    def state(self) -> State:
        return self.app.state


class NotFound(Base):
    def prepare(self) -> None:
        raise Problem(404, "there is no such page")


class Orders(Base):
    async def get(
        self, after: Number = 0, limit: Annotated[int, Meta(ge=1, le=100)] = 20
    ) -> list[Order]:
        """Orders in the order of their numbers, those after one."""
        return await self.state.db.orders(after, limit)

    @web.timeout(5)
    async def post(self, order: NewOrder) -> Annotated[Order, api.Status(201)]:
        """Take an order."""
        # Once begun, it is done, whether the client waits for the answer or not.
        async with web.critical(timeout=5):
            taken = await self.state.db.insert(order.item, order.quantity)
            self.state.work.set()
            await self.state.feed.poll()
        self.set_header("Location", f"/orders/{taken.id}")
        return taken


class OneOrder(Base):
    async def get(self, order: Number) -> Order:
        """An order."""
        found = await self.state.db.get(order)
        if found is None:
            raise Problem(404, "there is no such order")
        return found

    async def put(self, order: Number, change: Change) -> None:
        """Say how far an order is."""
        if not await self.state.db.set_status(order, change.status):
            raise Problem(404, "there is no such order")
        await self.state.feed.poll()


class Price(Base):
    """Asks another service: the request's deadline is the deadline of the question."""

    @web.timeout(1)
    @api.raises(502)
    async def get(self, seconds: str = "0") -> dict[str, int]:
        """What the other service says, if it says it in time."""
        try:
            response = await self.state.client.get(
                self.state.quote_url, params={"seconds": seconds}
            )
            return {"price": response.raise_for_status().json()["quote"]}
        except ClientError as error:
            raise Problem(502, f"no quote: {type(error).__name__}") from error


class Quote(Base):
    """Stands for the other service."""

    async def get(self, seconds: Annotated[float, Meta(ge=0, le=60)] = 0) -> dict[str, int]:
        await trio.sleep(seconds)
        return {"quote": 7}


class Uploads(Base):
    form_limits = web.FormLimits(max_part_size=MAX_UPLOAD)

    def prepare(self) -> None:
        self.request.connection.set_max_body_size(MAX_UPLOAD)

    async def post(self, parts: web.FormParts) -> Annotated[list[Saved], api.Status(201)]:
        """Files of a form, each to disk as it comes; one that is cut short leaves nothing."""
        saved = []
        async for part in parts:
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
            saved.append(Saved(path.name, path.stat().st_size))
        return saved


class MetricsPage(web.RequestHandler):
    def get(self) -> None:
        application: Any = self.application
        self.set_header("Content-Type", "text/plain; version=0.0.4")
        self.write("\n".join(application.state.metrics.lines()) + "\n")
