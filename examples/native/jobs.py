"""Jobs: work that outlasts its request, done by workers, followed by the browser as it goes.

    python examples/native/jobs.py --port=8888 --workers=2
    curl -X POST -d 'text=to be or not to be' http://127.0.0.1:8888/jobs     # {"id": "..."}
    curl -N http://127.0.0.1:8888/jobs/ID/events

The queue is streaq's, on Redis streams. A job that was fetched is in the stream until it is done:
when its worker dies, another one takes it over after `--idle` seconds. A worker that has to end
finishes what it has begun and leaves the rest to the others. So a job may run twice, and none is
lost: make jobs that can be repeated. Needs the packages `streaq` and `coredis`.
"""

import json
import uuid
from collections.abc import Awaitable, Callable
from functools import partial

import trio
from streaq import StreaqRetry, Worker

from tornado_trio import run, serve, web
from tornado_trio.options import define, options, parse_command_line
from tornado_trio.rooms import Rooms

define("port", default=8888, help="port to listen on", type=int)
define("address", default="127.0.0.1", help="address to listen on")
define("redis", default="redis://127.0.0.1:6379/0", help="where the queue is")
define("queue", default="words", help="its name there")
define("workers", default=2, help="processes, each of which serves and works")
define("idle", default=10.0, help="seconds after which a silent worker's jobs are taken over")

TRIES = 5

Tell = Callable[..., Awaitable[None]]


class Flaky(Exception):
    """What a job meets that may be gone the next time."""


async def count_words(text: str, tell: Tell) -> dict[str, int]:
    """The work itself: knows neither queue nor browser."""
    counts: dict[str, int] = {}
    words = text.split()
    for done, word in enumerate(words, 1):
        if word == "flaky" and uuid.uuid4().int % 2:
            raise Flaky("half of the time")
        await trio.sleep(0.01)
        counts[word] = counts.get(word, 0) + 1
        await tell("progress", done=done, of=len(words))
    return counts


class Work(Worker[None]):
    """A worker that ends by `end`: it finishes what it has begun, and fetches no more.

    streaq 7.2 listens to signals in any case, where `run` has to; and cancelling it would
    take Redis away from the jobs that are still running.
    """

    async def work(self, task_status: trio.TaskStatus[None]) -> None:
        self.ending = trio.Event()
        with trio.CancelScope(shield=True) as self.scope:  # until `end`
            await self.run_async(task_status=task_status)

    def end(self, within: float) -> None:
        self.scope.deadline = trio.current_time() + within
        self.ending.set()

    async def signal_handler(self, scope: trio.CancelScope) -> None:
        await self.ending.wait()
        scope.cancel()


class Jobs:
    """The queue, and the progress of each job: a room of its own, whose history is its story."""

    def __init__(self, worker: Worker[None], rooms: Rooms) -> None:
        self.worker = worker
        self.rooms = rooms
        self.words = worker.task(max_tries=TRIES, silent=True)(self.work)
        self.mark = worker.task(silent=True)(self.tick)

    async def add(self, text: str) -> str:
        """Enqueue a job; its id. When this has returned the job is in Redis."""
        job = uuid.uuid4().hex
        await self.tell(job, "queued")
        await self.words.enqueue(job, text)
        return job

    async def tell(self, job: str, state: str, **more: object) -> None:
        await self.rooms.publish(f"job-{job}", json.dumps({"state": state, **more}))

    async def work(self, job: str, text: str) -> None:
        """One try."""
        try:
            counts = await count_words(text, lambda state, **more: self.tell(job, state, **more))
        except Flaky as error:
            await self.tell(job, "again", why=str(error))
            raise StreaqRetry(delay=1) from error
        except Exception as error:
            await self.tell(job, "failed", why=repr(error))
            raise
        await self.tell(job, "done", result=counts)

    async def tick(self, number: int) -> None:
        """A job to count by: adds its number to a set."""
        await self.worker.redis.sadd(f"{options.queue}:ticks", [str(number)])


class New(web.RequestHandler):
    async def post(self) -> None:
        jobs: Jobs = self.settings["jobs"]
        self.set_status(202)
        self.write({"id": await jobs.add(self.get_body_argument("text"))})


class Ticks(web.RequestHandler):
    """Many small jobs at once, and how many were done: to see what a crash does."""

    async def post(self) -> None:
        jobs: Jobs = self.settings["jobs"]
        first, count = (int(self.get_body_argument(name)) for name in ("first", "count"))
        await jobs.worker.enqueue_many([jobs.mark.enqueue(first + n) for n in range(count)])
        self.set_status(202)

    async def get(self) -> None:
        jobs: Jobs = self.settings["jobs"]
        self.write({"done": await jobs.worker.redis.scard(f"{options.queue}:ticks")})


class Events(web.RequestHandler):
    """The story of a job, as server-sent events, from its beginning or where a browser left."""

    async def get(self, job: str) -> None:
        jobs: Jobs = self.settings["jobs"]
        async with (
            self.events() as send,
            jobs.rooms.subscribe(f"job-{job}", since=send.last_id or "0") as messages,
        ):
            async for message in messages:
                await send(str(message.data), id=message.id)
                if json.loads(message.data)["state"] in ("done", "failed"):
                    return


def make_app(jobs: Jobs) -> web.Application:
    handlers = [(r"/jobs", New), (r"/jobs/(\w+)/events", Events), (r"/ticks", Ticks)]
    return web.Application(handlers, jobs=jobs)


async def main() -> None:
    worker = Work(
        options.redis,
        queue_name=options.queue,
        anyio_backend="trio",
        idle_timeout=options.idle,
        handle_signals=False,
        serializer=partial(json.dumps, default=repr),  # of a job that failed, the error
        deserializer=json.loads,
    )
    async with Rooms(options.redis, prefix=options.queue, keep=3600) as rooms:
        jobs = Jobs(worker, rooms)
        async with trio.open_nursery() as nursery:
            await nursery.start(worker.work)
            try:
                await serve(make_app(jobs), options.port, host=options.address)
            finally:
                worker.end(within=8)


if __name__ == "__main__":
    parse_command_line()
    run(main, workers=options.workers)
