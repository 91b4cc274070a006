"""The thread's one trio run and the asyncio loops that host it."""

import asyncio
import contextvars
import gc
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest
import trio
import trio.lowlevel
import trio.testing

from tests.platforms import needs_fork, needs_unix_sockets
from tornado_trio._util.threads import FILES, Threads
from tornado_trio.interop import LoopScope
from tornado_trio.interop.guest import current_guest
from tornado_trio.interop.host_loop import poll_sparingly

from .hosting import Spawned, run_hosted, spawn


def in_child(program, **kwargs):
    """Run a program in a fresh interpreter; its CompletedProcess.

    Warnings show, but for those of loops and sockets that the program itself leaves open.
    """
    return subprocess.run(
        [sys.executable, "-W", "always", "-W", "ignore::ResourceWarning", "-c",
         textwrap.dedent(program)],
        capture_output=True, text=True, timeout=30, **kwargs,
    )


async def trivial(scope):
    await trio.lowlevel.checkpoint()
    return 1


def test_asyncio_run_may_be_called_again_and_trio_run_after_it():
    assert run_hosted(trivial) == 1
    assert current_guest() is None
    assert run_hosted(trivial) == 1
    assert current_guest() is None

    async def alone():
        await trio.lowlevel.checkpoint()
        return 2

    assert trio.run(alone) == 2


def test_shutting_a_loop_down_cancels_its_tasks_and_waits_for_them():
    trace = []

    async def background():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await trio.sleep(0.01)
                await asyncio.sleep(0.01)
            trace.append("unwound")

    async def main():
        scope = LoopScope(asyncio.get_running_loop())
        scope.start_soon(background)
        await spawn(scope, trivial(scope))

    asyncio.run(main())
    assert trace == ["unwound"]


def test_the_supervision_is_no_task_that_a_program_would_gather():
    async def main():
        scope = LoopScope(asyncio.get_running_loop())
        scope.start_soon(trio.sleep_forever)
        await spawn(scope, trivial(scope))
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait_for(asyncio.gather(*others), 5)

    asyncio.run(main())


def test_stop_freezes_the_run_and_start_resumes_it():
    loop = asyncio.new_event_loop()
    scope = LoopScope(loop)
    ticks = []

    async def ticker():
        while True:
            ticks.append(trio.current_time())
            if len(ticks) % 3 == 0:
                loop.stop()
            await trio.sleep(0.005)

    scope.start_soon(ticker)
    for rounds in range(1, 4):
        scope.about_to_run()
        loop.run_forever()
        before = len(ticks)
        assert before >= 3 * rounds
        time.sleep(0.02)
        assert len(ticks) == before
    loop.run_until_complete(scope.aclose())
    loop.close()
    assert current_guest() is None


def test_loops_of_one_thread_take_turns():
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    scopes = [LoopScope(first), LoopScope(second)]
    try:
        for loop, scope in zip((first, second, first, second), scopes * 2, strict=True):
            scope.about_to_run()
            assert loop.run_until_complete(spawn(scope, trivial(scope))) == 1
        # One guest for both, until the last of them is closed.
        assert scopes[0].guest is scopes[1].guest is current_guest()
        scopes[0].about_to_run()
        first.run_until_complete(scopes[0].aclose())
        assert current_guest() is not None
        scopes[1].about_to_run()
        assert second.run_until_complete(spawn(scopes[1], trivial(scopes[1]))) == 1
        second.run_until_complete(scopes[1].aclose())
        assert current_guest() is None
    finally:
        first.close()
        second.close()


def test_a_loop_closed_behind_our_back_takes_no_other_down():
    first = asyncio.new_event_loop()
    scope = LoopScope(first)
    ended = []

    async def background():
        try:
            await trio.sleep_forever()
        finally:
            ended.append(True)

    scope.start_soon(background)
    first.run_until_complete(spawn(scope, trivial(scope)))
    first.close()  # without shutdown_asyncgens: nobody told the scope
    assert run_hosted(trivial) == 1
    assert ended == [True]
    assert current_guest() is None


@pytest.mark.skipif(
    "TORNADO_TRIO_PUBLIC_ONLY" in os.environ,
    reason="after a restart of its loop, asyncio closes them then",
)
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio's, rightly
def test_abandoned_async_generators_are_closed_by_trio_in_each_run_of_a_loop():
    loop = asyncio.new_event_loop()
    scope = LoopScope(loop)
    closed = []

    async def body(scope):
        async def generator():
            try:
                yield 1
            finally:
                closed.append(trio.lowlevel.in_trio_task())

        async for _ in generator():
            break
        gc.collect()
        await trio.sleep(0.001)

    for n in (1, 2, 3):
        scope.about_to_run()
        loop.run_until_complete(spawn(scope, body(scope)))
        assert closed == [True] * n
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def test_each_thread_has_a_run_of_its_own():
    results = []

    def thread():
        results.append(run_hosted(trivial))

    threads = [threading.Thread(target=thread) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(10)
    assert results == [1] * 4


@pytest.mark.skipif(
    "TORNADO_TRIO_PUBLIC_ONLY" in os.environ, reason="a guest run stays in its thread then"
)
def test_a_loop_set_up_in_one_thread_runs_in_another():
    loop = asyncio.new_event_loop()
    scope = LoopScope(loop)
    ticks = []

    async def ticker():
        while True:
            ticks.append(threading.get_ident())
            await trio.sleep(0.001)
            await asyncio.sleep(0)

    scope.start_soon(ticker)
    loop.run_until_complete(spawn(scope, trivial(scope)))
    here = set(ticks)

    def elsewhere():
        scope.about_to_run()
        before = len(ticks)
        while len(ticks) < before + 5:
            loop.run_until_complete(asyncio.sleep(0.002))
        loop.run_until_complete(scope.aclose())
        loop.close()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)
    assert here == {threading.get_ident()}
    assert len(set(ticks)) == 2
    # This thread is free of it.
    assert current_guest() is None
    assert run_hosted(trivial) == 1


@pytest.mark.skipif(
    "TORNADO_TRIO_PUBLIC_ONLY" in os.environ, reason="a guest run stays in its thread then"
)
def test_a_run_that_ends_in_another_thread_leaves_no_signal_handler_behind():
    """trio's handler of SIGINT, which a run begun in the main thread has, is taken off there."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        loop = asyncio.new_event_loop()
        scope = LoopScope(loop)
        loop.run_until_complete(spawn(scope, trivial(scope)))
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        problems = []
        loop.set_exception_handler(lambda _, context: problems.append(context))

        def elsewhere():
            scope.close()
            loop.close()

        thread = threading.Thread(target=elsewhere, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        assert not problems
        assert current_guest() is None
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert run_hosted(trivial) == 1
    finally:
        signal.signal(signal.SIGINT, previous)


def test_closing_waits_for_a_program_that_cancels_every_task_meanwhile():
    trace = []

    async def background():
        try:
            await trio.sleep_forever()
        finally:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()  # the one that waits for us, too
            with trio.move_on_after(1, shield=True):
                await trio.lowlevel.checkpoint()
                await asyncio.sleep(0)
            trace.append("unwound")

    loop = asyncio.new_event_loop()
    scope = LoopScope(loop)
    loop.call_soon(lambda: spawn(scope, background()))
    loop.run_until_complete(asyncio.sleep(0.01))
    scope.close()
    trace.append("closed")
    loop.close()
    assert trace == ["unwound", "closed"]
    assert current_guest() is None


@pytest.mark.keeps_open("libuv has a pipe for the process")
@needs_unix_sockets
def test_uvloop():
    uvloop = pytest.importorskip("uvloop")

    async def body(scope):
        a, b = trio.socket.socketpair()
        with a, b:
            await a.send(b"x")
            assert await b.recv(1) == b"x"
        with trio.move_on_after(0.01) as cancel_scope:
            await asyncio.sleep(60)
        return cancel_scope.cancelled_caught

    assert run_hosted(body, loop_factory=uvloop.new_event_loop)


def test_work_before_the_loop_runs_keeps_its_context():
    import contextvars

    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    async def task():
        seen.append(variable.get())

    async def main():
        await spawn(scope, trivial(scope))

    loop = asyncio.new_event_loop()
    scope = LoopScope(loop)
    token = variable.set("set")
    scope.start_soon(task)
    variable.reset(token)
    loop.run_until_complete(main())
    loop.run_until_complete(scope.aclose())
    loop.close()
    assert seen == ["set"]


def test_nothing_is_left_behind():
    run_hosted(trivial)
    gc.collect()
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        run_hosted(trivial)
    gc.collect()
    assert threading.active_count() <= threads
    assert len(os.listdir("/proc/self/fd")) <= descriptors


@pytest.mark.skipif(
    "TORNADO_TRIO_PUBLIC_ONLY" in os.environ, reason="a guest run stays in its thread then"
)
def test_a_loop_moves_to_a_thread_whose_own_loops_were_closed_behind_our_back():
    """A test-suite leaves closed loops in a thread, then runs one from elsewhere in it."""
    left, moved = asyncio.new_event_loop(), asyncio.new_event_loop()
    scopes = [LoopScope(left), LoopScope(moved)]
    ended = []

    async def background():
        try:
            await trio.sleep_forever()
        finally:
            ended.append(True)

    def run(loop, scope):
        scope.about_to_run()
        return loop.run_until_complete(spawn(scope, trivial(scope)))

    scopes[0].start_soon(background)
    assert run(left, scopes[0]) == 1
    thread = threading.Thread(target=run, args=(moved, scopes[1]))
    thread.start()
    thread.join()
    with pytest.raises(RuntimeError, match="close one of the loops"):
        scopes[1].about_to_run()
    left.close()  # without shutdown_asyncgens
    assert run(moved, scopes[1]) == 1
    assert ended == [True]
    assert current_guest() is scopes[1].guest
    moved.run_until_complete(scopes[1].aclose())
    moved.close()
    assert current_guest() is None


def test_what_is_spawned_while_the_scope_is_being_cancelled_is_run_or_told():
    async def main():
        scope = LoopScope(asyncio.get_running_loop())
        assert await spawn(scope, trivial(scope)) == 1  # its task is idle from now on
        began = []

        async def late():
            began.append(True)

        def both():
            scope.cancel()  # the idle task is woken, and has not run yet
            scope.spawn(late(), contextvars.copy_context(), result.ended, result.began)

        result = Spawned()
        errors = []
        scope.loop.set_exception_handler(lambda _, error: errors.append(error))
        scope.loop.call_soon(both)
        await asyncio.wait([result])
        assert not errors
        assert result.cancelled() or began
        await scope.aclose()

    asyncio.run(main())
    assert current_guest() is None


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param("pass", id="at once"),
        # As programs do that end with their last task: it must not cut the exit short.
        pytest.param(
            "loop.stop()\n"
            "                with trio.CancelScope(shield=True):\n"
            "                    await trio.sleep(0.05)",
            id="stopping the loop",
        ),
    ],
)
def test_the_interpreter_exits_quietly_with_the_run_frozen(ending):
    done = in_child(
        f"""
        import asyncio, trio
        from tornado_trio.interop import LoopScope
        loop = asyncio.new_event_loop()
        scope = LoopScope(loop)
        async def background():
            try:
                await trio.sleep_forever()
            finally:
                {ending}
                print("unwound")
        scope.start_soon(background)
        loop.call_later(0.05, loop.stop)
        loop.run_forever()
        loop_closed_by_nobody = loop
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "unwound\n", "")


@needs_fork
def test_a_forked_child_starts_a_run_of_its_own():
    done = in_child(
        """
        import asyncio, os, trio, sys
        from tornado_trio.interop import LoopScope
        def use(loop):
            scope = LoopScope(loop)
            async def main():
                event = asyncio.Event()
                async def task():
                    await trio.sleep(0)
                    event.set()
                scope.start_soon(task)
                await event.wait()
            loop.run_until_complete(main())
            return scope
        loop = asyncio.new_event_loop()
        scope = use(loop)
        pid = os.fork()
        if pid == 0:
            fresh = asyncio.new_event_loop()
            child_scope = use(fresh)
            fresh.run_until_complete(child_scope.aclose())
            fresh.close()
            os._exit(7)
        status = os.waitpid(pid, 0)[1]
        loop.run_until_complete(scope.aclose())
        loop.close()
        sys.exit(os.waitstatus_to_exitcode(status))
        """
    )
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize("where", ["a task of trio", "a callback of asyncio"])
def test_system_exit_ends_the_program(where):
    done = in_child(
        f"""
        import asyncio, sys, trio
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from tornado_trio.interop import LoopScope
        async def main():
            loop = asyncio.get_running_loop()
            scope = LoopScope(loop)
            async def leave():
                await trio.sleep(0)
                if {where!r} == "a callback of asyncio":
                    loop.call_soon(sys.exit, 3)
                else:
                    sys.exit(3)
            scope.start_soon(leave)
            await asyncio.sleep(10)
        asyncio.run(main())
        """
    )
    assert (done.returncode, done.stderr) == (3, "")


def test_interrupt_ends_the_program_at_once():
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import asyncio, trio
                from tornado_trio.interop import LoopScope
                loop = asyncio.new_event_loop()
                scope = LoopScope(loop)
                async def task():
                    print("ready", flush=True)
                    await trio.sleep_forever()
                scope.start_soon(task)
                loop.run_forever()
                """
            ),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        process.wait(10)
    finally:
        process.kill()  # if it has not ended, the tests to come shall not hear of it
        _, errors = process.communicate()
    assert process.returncode in (-signal.SIGINT, 130)
    assert "abandoned" not in errors and "tornado_trio" not in errors
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_no_warning_of_an_abandoned_run_from_an_abandoned_thread():
    def thread():
        loop = asyncio.new_event_loop()
        scope = LoopScope(loop)
        loop.run_until_complete(spawn(scope, trivial(scope)))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        worker = threading.Thread(target=thread)
        worker.start()
        worker.join(10)
        gc.collect()


# --- threads ------------------------------------------------------------------------------


def own_threads():
    return [t.name for t in threading.enumerate() if t is not threading.main_thread()]


def test_threads_end_with_the_run():
    """What blocks is called in threads of the run, not in trio's, which idle on."""
    seen = []

    async def work(scope):
        return await FILES.run(lambda: seen.append(own_threads()) or 42)

    before = own_threads()
    assert run_hosted(work) == 42
    assert len(seen[0]) == len(before) + 1
    assert own_threads() == before


def test_an_abandoned_thread_keeps_its_place_until_it_has_ended():
    kind, over = Threads("test", 1), threading.Event()
    events = []

    async def second():
        await kind.run(events.append, "second")

    async def work(scope):
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(0.01):
                await kind.run(over.wait, abandon_on_cancel=True)
            nursery.start_soon(second)
            await trio.sleep(0.02)
            assert not events
            over.set()
        with pytest.raises(ZeroDivisionError):
            await kind.run(lambda: 1 / 0)
        with trio.move_on_after(0.01) as scope:
            await kind.run(time.sleep, 0.05)  # is waited for
        assert not scope.cancelled_caught
        var.set("mine")
        assert await kind.run(var.get) == "mine"

    var = contextvars.ContextVar("var")
    run_hosted(work)
    assert events == ["second"]


def within(loop, future):
    """What nest_asyncio makes of `run_until_complete` in a loop that is running."""
    counted = len(loop._ready)  # by the turn that this is called in
    while not future.done():
        loop._run_once()
    while len(loop._ready) < counted:
        loop.call_soon(int)


@pytest.mark.parametrize("begun_by", ["call_soon", "reader", "timer"])
def test_a_loop_that_a_task_of_its_guest_runs(begun_by, caplog):
    """asyncio's part goes on in it; trio's when it is over, and nothing of it is lost."""

    async def main(scope):
        loop, woken = asyncio.get_running_loop(), []
        ours, theirs = socket.socketpair()

        async def sleeps():
            await trio.sleep(0.01)
            woken.append("sleep")

        async def reads():
            await trio.lowlevel.wait_readable(ours)
            woken.append("read")

        async def is_woken():
            await event.wait()
            woken.append("event")

        event = trio.Event()
        with ours, theirs:
            async with trio.open_nursery() as nursery:
                for each in (sleeps, reads, is_woken):
                    nursery.start_soon(each)
                await trio.testing.wait_all_tasks_blocked()
                if begun_by == "timer":
                    await trio.sleep(0.001)
                elif begun_by == "reader":
                    mine, other = socket.socketpair()
                    with mine, other:
                        loop.call_later(0.001, other.send, b"x")
                        await trio.lowlevel.wait_readable(mine)
                theirs.send(b"x")
                done = loop.create_future()
                loop.call_later(0.03, event.set)
                loop.call_later(0.1, done.set_result, "done")
                before = woken[:]
                within(loop, done)
                assert woken == before
            assert sorted(woken) == ["event", "read", "sleep"]
            assert await asyncio.wait_for(asyncio.sleep(0.01, "after"), 5) == "after"
        return done.result()

    def sparing_loop():
        loop = asyncio.new_event_loop()
        poll_sparingly(loop)
        return loop

    assert run_hosted(main, sparing_loop) == "done"
    said = [record.getMessage().partition(" (")[0] for record in caplog.records]
    if os.environ.get("TORNADO_TRIO_PUBLIC_ONLY"):
        assert said == []  # a turn is not due there before the last has ended
    else:
        assert said == ["spawned coroutines runs the event loop that runs it"]


@pytest.mark.keeps_open("libuv has a pipe for the process")
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_timers_that_are_due_at_once(kind):
    """uvloop returns a handle without a time for those; turns must not fail over it."""
    factory = asyncio.new_event_loop
    if kind == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    failed = []

    async def main(scope):
        scope.loop.set_exception_handler(lambda loop, context: failed.append(context))

        async def naps(seconds):
            for _ in range(50):
                await trio.sleep(seconds)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(naps, number * 5e-5)

    run_hosted(main, factory)
    assert failed == []
