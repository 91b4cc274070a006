"""The service: its parts, and what runs beside serving: part of examples/orders."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from tornado_trio import api, open_client, serve, web
from tornado_trio.jobs import every, supervise
from tornado_trio.service import Health, Ready, current_service

from . import handlers, live
from .db import open_database
from .state import Feed, State

POLL_EVERY = 0.25  # seconds between looks at what other workers have done
KEPT_EVENTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """From the environment: ORDERS_FOLDER, ORDERS_DATABASE, ORDERS_QUOTES."""

    folder: Path
    database: str
    quotes: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Config:
        folder = Path(environ.get("ORDERS_FOLDER", "orders-data"))
        return cls(
            folder=folder,
            database=environ.get("ORDERS_DATABASE", str(folder / "orders.sqlite3")),
            quotes=environ.get("ORDERS_QUOTES", "http://127.0.0.1:8888/quote"),
        )

    @property
    def on_postgres(self) -> bool:
        return self.database.startswith("postgresql:")


def make_app(state: State) -> api.Application[State]:
    return api.Application(
        [
            (r"/orders", handlers.Orders),
            ("/orders/{order:int}", handlers.OneOrder),
            (r"/price", handlers.Price),
            (r"/quote", handlers.Quote),
            (r"/events", live.Events),
            (r"/live", live.Live),
            (r"/uploads", handlers.Uploads),
            (r"/uploads/([0-9a-f]{16})", web.StaticFileHandler, {"path": str(state.uploads)}),
            (r"/metrics", handlers.MetricsPage),
            (r"/health", Health),
            (r"/ready", Ready, {"checks": {"database": state.db.ping}}),
        ],
        title="Orders",
        state=state,
        default_handler_class=handlers.NotFound,
        log_function=partial(log_request, state),
    )


def log_request(state: State, handler: web.RequestHandler) -> None:
    state.metrics.record(handler)
    web.Application().log_request(handler)


async def consume(state: State) -> None:
    """Have new orders paid, one after the other; of all workers' consumers the first gets each."""
    while True:
        state.work = trio.Event()
        while await state.db.claim() is not None:
            await state.feed.poll()
        with trio.move_on_after(1):  # another worker's may have been left behind
            await state.work.wait()


async def clean_up(state: State) -> None:
    await state.db.forget_events(KEPT_EVENTS)


async def close_feed_at_the_end(feed: Feed) -> None:
    """Streams that never end by themselves end when the service drains."""
    service = current_service()
    if service is not None:
        await service.wait_draining()
        feed.close()


async def main() -> None:
    config = Config.from_environment()
    uploads = config.folder / "uploads"
    await trio.Path(uploads).mkdir(parents=True, exist_ok=True)
    async with (
        open_database(config.database) as db,
        open_client() as client,
        trio.open_nursery() as jobs,
    ):
        state = State(db, client, Feed(db), uploads, config.quotes)
        await state.feed.start()
        supervise(jobs, consume, state, name="consumer", critical=True)
        supervise(jobs, partial(every, POLL_EVERY, state.feed.poll), name="feed")
        supervise(jobs, partial(every, 3600, clean_up, state, jitter=60), name="clean-up")
        jobs.start_soon(close_feed_at_the_end, state.feed)
        await serve(make_app(state), grace=10)
