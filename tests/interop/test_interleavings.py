"""Any order of waits, wake-ups and cancellations: each wait ends exactly once.

A handful of coroutines wait, each for what its script says; meddlers, half of them
callbacks of asyncio and half tasks of trio, resolve, cancel and time out what is waited
for, in an order that hypothesis chooses. Whatever happens, every wait ends once, the
cancel scopes catch what is theirs, and the run ends clean.
"""

import asyncio

import hypothesis
import trio
from hypothesis import strategies as st

from .hosting import run_hosted, spawn

WAITS = ("future", "event", "turn", "checkpoint", "task", "gather", "channel", "nursery")
waits = st.lists(
    st.tuples(st.sampled_from(WAITS), st.sampled_from(("bare", "scope", "timeout"))), max_size=5
)
meddling = st.lists(
    st.tuples(
        st.sampled_from(("resolve", "cancel scope", "cancel task", "cancel future", "pass")),
        st.integers(0, 3),
        st.sampled_from(("asyncio", "trio")),
    ),
    max_size=12,
)


class Actor:
    """One coroutine with its script, and the handles by which meddlers reach its wait."""

    def __init__(self):
        self.future = self.event = self.scope = self.result = None
        self.send = None
        self.entered = self.left = 0

    async def play(self, script):
        for wait, guard in script:
            self.entered += 1
            try:
                await self.guarded(wait, guard)
            except asyncio.CancelledError:
                asyncio.current_task().uncancel()
            except BaseExceptionGroup as exc:
                # A nursery of trio's wraps what is thrown into it, CancelledError too.
                assert wait == "nursery" and exc.split(asyncio.CancelledError)[1] is None
            self.left += 1
        return "done"

    async def guarded(self, wait, guard):
        if guard == "scope":
            with trio.CancelScope() as self.scope:
                await self.wait(wait)
        elif guard == "timeout":
            try:
                async with asyncio.timeout(0.002):
                    await self.wait(wait)
            except TimeoutError:
                pass  # what it is there for
        else:
            await self.wait(wait)

    async def wait(self, wait):
        loop = asyncio.get_running_loop()
        if wait == "turn":
            await asyncio.sleep(0)
        elif wait == "checkpoint":
            await trio.lowlevel.checkpoint()
        elif wait == "event":
            self.event = trio.Event()
            await self.event.wait()
        elif wait == "channel":
            self.send, receive = trio.open_memory_channel(1)
            with receive:
                await receive.receive()
        elif wait == "nursery":
            self.event = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.event.wait)
                nursery.start_soon(asyncio.sleep, 0)
        else:
            self.future = loop.create_future()
            if wait == "future":
                await self.future
            elif wait == "task":
                await asyncio.create_task(self.hold(self.future))
            else:
                await asyncio.gather(self.hold(self.future), asyncio.sleep(0))

    async def hold(self, future):
        try:
            await future
        finally:
            await asyncio.sleep(0)

    def meddle(self, action):
        if action == "resolve":
            self.resolve()
        elif action == "cancel scope" and self.scope is not None:
            self.scope.cancel()
        elif action == "cancel task" and self.result.driver is not None:
            self.result.driver.cancel()
        elif action == "cancel future" and self.future is not None:
            self.future.cancel()

    def resolve(self):
        if self.future is not None and not self.future.done():
            self.future.set_result(None)
        if self.event is not None:
            self.event.set()
        if self.send is not None:
            try:
                self.send.send_nowait(None)
            except (trio.WouldBlock, trio.BrokenResourceError):
                pass  # sent already, or nobody receives any more


async def stage(scope, scripts, meddlers):
    loop = asyncio.get_running_loop()
    actors = [Actor() for _ in scripts]
    for actor, script in zip(actors, scripts, strict=True):
        actor.result = spawn(scope, actor.play(script))
    for action, index, side in meddlers:
        actor = actors[index % len(actors)]
        if side == "asyncio":
            loop.call_soon(actor.meddle, action)
            await asyncio.sleep(0)
        else:
            actor.meddle(action)
            await trio.lowlevel.checkpoint()
    with trio.fail_after(10):
        while not all(actor.result.done() for actor in actors):
            for actor in actors:
                actor.resolve()
            await asyncio.sleep(0)
    for actor, script in zip(actors, scripts, strict=True):
        if not actor.result.cancelled():
            assert actor.result.result() == "done"
            assert actor.entered == actor.left == len(script)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(scripts=st.lists(waits, min_size=1, max_size=4), meddlers=meddling)
def test_each_wait_ends_exactly_once(scripts, meddlers):
    run_hosted(lambda scope: stage(scope, scripts, meddlers))
