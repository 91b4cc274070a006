"""`LoopScope`: the trio tasks of one asyncio loop.

Knows the thread's `Guest` and how to enter it; knows nothing of Tornado.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

import trio

from .coroutines import undriven
from .guest import Guest, current_guest
from .host import Start
from .tasks import TaskScope
from .workers import Workers

log = logging.getLogger("tornado_trio.interop")

CLOSE_GRACE = 10.0  # seconds that cancelled tasks of a loop may take to unwind


class LoopScope(TaskScope):
    """The trio tasks of one asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.loop = loop
        self.guest: Guest | None = None
        self._entering = False
        self._ended: asyncio.Future[None] | None = None
        self._shutdown: AsyncGenerator[None, None] | None = None
        self._exit: SystemExit | None = None

    def start_soon(self, async_fn: Start, *args: Any, name: object = None) -> None:
        """Start a trio task in the loop's nursery, now or as soon as the loop runs."""
        guest = self.guest
        if self.nursery is None:
            super().start_soon(async_fn, *args, name=name)
            self.enter_soon()
        elif guest is not None and guest.is_here:
            guest.expect_wake()
            super().start_soon(async_fn, *args, name=name)
        else:
            context = contextvars.copy_context()
            start = partial(self._start_from_elsewhere, async_fn, *args, name=name)
            self.call(partial(context.run, start))

    def _start_from_elsewhere(self, async_fn: Start, *args: Any, name: object) -> None:
        if self.guest is not None:
            self.guest.expect_wake()
        super().start_soon(async_fn, *args, name=name)

    def call(self, function: Callable[[], object]) -> None:
        """Call `function()`, which acts on tasks of the loop, from any thread: see `Guest.call`."""
        if self.guest is not None and not self.guest.finished:
            self.guest.call(function)
        else:
            function()

    def spawn(self, *job: Any) -> None:
        """Begin a coroutine in a trio task: `Workers.spawn`, entering the guest run first."""
        self.workers.spawn(*job)
        if self.nursery is None:
            self.enter()
            assert self.guest is not None
            self.guest.turn_until(lambda: not self.workers.waiting)

    def enter_soon(self) -> None:
        """Enter the thread's guest run on the loop's next turn, starting it if need be."""
        if not self._entering and self.guest is None:
            self._entering = True
            elsewhere = self.loop.is_running() and asyncio._get_running_loop() is not self.loop
            schedule = self.loop.call_soon_threadsafe if elsewhere else self.loop.call_soon
            schedule(self.enter)

    def enter(self) -> None:
        """Enter the guest run now. Called by the loop, from one of its callbacks."""
        self._entering = False
        if self.guest is None:
            guest = current_guest()
            if guest is None:
                guest = Guest(self.loop)
            self.guest = guest
            self._register_shutdown()
            guest.add(self)
        self.guest.host_on(self.loop)
        self.guest.turn_until(lambda: self.nursery is not None)

    def about_to_run(self) -> None:
        """The loop is about to run: it turns the thread's guest from now on."""
        guest = self.guest if self.active else current_guest()
        if guest is not None:
            guest.host_on(self.loop)

    def has_run(self) -> None:
        """The loop has stopped: raise a pending interrupt."""
        if self.guest is not None:
            self.guest.raise_interrupt()

    @property
    def may_run_here(self) -> bool:
        """Whether the calling thread has no tasks other than those of the loop's own trio run."""
        present = current_guest()
        return not self.active or present is None or present is self.guest

    async def run(self) -> None:
        """The task that owns the loop's nursery."""
        try:
            async with trio.open_nursery() as nursery:
                assert self.guest is not None
                self.begin(nursery, self.guest)
                await trio.sleep_forever()
        finally:
            assert self.guest is not None
            self.guest.discard(self)
            self.ended()

    def ended(self) -> None:
        super().ended()
        self._shutdown = None
        if self._ended is not None and not self._ended.done() and not self.loop.is_closed():
            self._ended.set_result(None)

    @property
    def active(self) -> bool:
        """Whether the trio run beneath it is still running."""
        return self.guest is not None and not self.guest.finished

    def close(self, grace: float = CLOSE_GRACE) -> None:
        """`aclose` on a loop that does not run: it runs until all has ended.

        A SystemExit raised meanwhile propagates afterwards; Ctrl-C at once.
        """
        self.about_to_run()
        # What is cancelled may cancel all tasks that there are, this one too.
        if not self._run_to_end(grace):
            self._run_to_end(grace)
        exit_, self._exit = self._exit, None
        if exit_ is not None:
            raise exit_

    def forget_spawned(self) -> None:
        if not self.active:
            super().forget_spawned()

    def _run_to_end(self, grace: float) -> bool:
        """Run the loop while the scope is closed; False if the closing was cancelled."""
        loop = self.loop
        # What ended the loop before is raised again where that coroutine is awaited.
        heard = self.guest.raised if self.guest is not None else None
        ending = loop.create_task(self.aclose(grace))
        ending.add_done_callback(lambda _: loop.stop())
        while not ending.done():  # what is cancelled may well call stop() too
            try:
                loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                if error is heard:
                    continue
                if isinstance(error, KeyboardInterrupt):
                    raise
                self._exit = error
        if ending.cancelled():
            return False
        ending.result()
        return True

    async def aclose(self, grace: float = CLOSE_GRACE) -> None:
        """Cancel the loop's trio tasks and wait for them, on the running asyncio loop.

        Functions given to `before_end` run first, within their own time.
        Tasks that are still unwinding after `grace` seconds are left behind, with an error
        in the log.
        """
        guest = self.guest
        if guest is None or guest.finished or self not in guest.scopes:
            return
        self._ended = self.loop.create_future()
        guest.host_on(self.loop)
        if self.nursery is None:
            # Never entered: nothing runs yet, but the run itself has to end.
            while self.nursery is None and not guest.finished:  # noqa: ASYNC110 - two turns
                await asyncio.sleep(0)
        if self.patience and self.nursery is not None:
            said = self.loop.create_future()
            self.start_soon(self._say_farewell, said, name="before the end")
            await asyncio.wait([said], timeout=self.patience + 1)
        guest.expect_wake()
        self.cancel()
        _, late = await asyncio.wait([self._ended], timeout=grace)
        if late:
            log.error(
                "tasks of %r did not end within %s seconds of being cancelled", self.loop, grace
            )
            return
        while not guest.finished and not guest.scopes:  # noqa: ASYNC110 - a turn or two
            await asyncio.sleep(0)  # the last scope: the trio run ends with it

    async def _say_farewell(self, said: asyncio.Future[None]) -> None:
        try:
            await self.say_farewell()
        except Exception:
            log.exception("before the end of %r", self.loop)
        finally:
            if not said.done():
                said.set_result(None)

    def _register_shutdown(self) -> None:
        """Have `loop.shutdown_asyncgens()`, so also `asyncio.run`, close the scope.

        An async generator that has begun on the loop is closed, and waited for, there. A
        task would do as well, but turns up in `asyncio.all_tasks()` of programs that
        gather all the others.
        """
        self._shutdown = generator = self._close_when_shut_down()
        step = generator.__anext__()
        try:
            step.send(None)
        except StopIteration:
            pass  # its first yield: it is registered and waits

    async def _close_when_shut_down(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            if self.active:
                await self.aclose()


undriven(LoopScope.run)
undriven(Workers._work)
