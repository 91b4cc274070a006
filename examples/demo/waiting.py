"""The request that waits, and what the page shows of it: part of examples/demo.

Nothing here listens for a client that leaves: the handler is cancelled where it waits, its
children with it, and what `finally` says runs.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import Literal

import trio

from tornado_trio import web

KEPT = 12
HEARTBEAT = 15
TICK = 0.5  # seconds between the lines of an answer

State = Literal["waiting", "gone", "done"]


@dataclass
class Wait:
    """One request, as the page shows it. `tasks` run for it; `seconds` it has lasted."""

    number: int
    state: State = "waiting"
    tasks: int = 0
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)


class Waits:
    """The last requests, and who follows them."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: dict[int, Wait] = {}
        self._changed = trio.Event()

    def begin(self) -> Wait:
        self.count += 1
        wait = self._kept[self.count] = Wait(self.count)
        for number in list(self._kept)[:-KEPT]:
            del self._kept[number]
        self.changed()
        return wait

    def changed(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def change(self) -> None:
        """Until something has changed. May be cancelled."""
        await self._changed.wait()

    def shown(self) -> str:
        return json.dumps([asdict(wait) for wait in reversed(self._kept.values())])


class Waiting(web.RequestHandler):
    """An answer of a minute, made by the handler and two children."""

    async def get(self) -> None:
        waits: Waits = self.settings["waits"]
        wait = waits.begin()
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.write(self.render_string("waiting.html", number=wait.number))
        try:
            for name in ("first child", "second child"):
                self.nursery.start_soon(self.work, wait, waits, name=name)
            for second in range(int(60 / TICK)):
                self.write(f"<i data-tick={second}>·</i>")
                await self.flush()
                await trio.sleep(TICK)
            self.nursery.cancel_scope.cancel()
            wait.state = "done"
        finally:
            if wait.state == "waiting":  # cancelled in `sleep`, or `flush` found the client gone
                wait.state = "gone"
            wait.seconds = round(time.monotonic() - wait.began, 1)
            waits.changed()

    async def work(self, wait: Wait, waits: Waits) -> None:
        """Stands for questions to databases and other services, which end with the request."""
        wait.tasks += 1
        waits.changed()
        try:
            await trio.sleep_forever()
        finally:
            wait.tasks -= 1
            waits.changed()


class Followed(web.RequestHandler):
    """The requests, as server-sent events: each time all of them."""

    async def get(self) -> None:
        waits: Waits = self.settings["waits"]
        async with self.events(HEARTBEAT) as send:
            while True:
                await send(waits.shown())
                await waits.change()
