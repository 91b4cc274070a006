"""Work in the background, again and again: three ways, each with its rhythm.

    python -m compat examples/minute_loops.py --period=60

- `minute_loop` waits a period after each piece of work: period + work from one to the next.
- `minute_loop2` starts the clock first, and works while it ticks: exactly the period.
- `PeriodicCallback` skips beats that fall into work that is still going on.

Loops that run for ever are started with `spawn_callback`: no caller waits for them, so the loop
logs what they raise.
"""

from tornado import gen
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.options import define, options, parse_command_line

define("period", default=60.0, help="seconds from one time to the next", type=float)
define("work", default=0.5, help="seconds of work each time", type=float)


class Work:
    """Something that takes a while, and notes when it was begun."""

    def __init__(self, name, seconds):
        self.name = name
        self.seconds = seconds
        self.begun = []

    async def __call__(self):
        self.begun.append(IOLoop.current().time())
        print(f"{self.name}: {len(self.begun)}", flush=True)
        await gen.sleep(self.seconds)


@gen.coroutine
def minute_loop(do_something, period):
    while True:
        yield do_something()
        yield gen.sleep(period)


@gen.coroutine
def minute_loop2(do_something, period):
    while True:
        nxt = gen.sleep(period)  # start the clock
        yield do_something()  # run while it is ticking
        yield nxt  # wait for it to run out


def start(period, seconds):
    """Start all three; returns the `Work` of each and the `PeriodicCallback`."""
    works = [Work(name, seconds) for name in ("minute_loop", "minute_loop2", "periodic")]
    loop = IOLoop.current()
    loop.spawn_callback(minute_loop, works[0], period)
    loop.spawn_callback(minute_loop2, works[1], period)
    periodic = PeriodicCallback(works[2], period * 1000)
    periodic.start()
    return works, periodic


if __name__ == "__main__":
    parse_command_line()
    IOLoop.current().add_callback(start, options.period, options.work)
    IOLoop.current().start()
