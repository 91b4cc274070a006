"""Who is interrupted, and who is told later."""

import signal
import sys
import threading
import types

import pytest
import trio
import trio.lowlevel

from tornado_trio.interop.sigint import SigintHandler, in_program


def frame_in(*modules: str, function: str = "work") -> types.FrameType:
    """The innermost of frames of functions called `function` in these modules, outermost first."""
    caught: list[types.FrameType] = []
    call = lambda: caught.append(sys._getframe().f_back)  # noqa: E731
    for module in reversed(modules):
        space = {"__name__": module, "inner": call}
        exec(f"def {function}(): inner()", space)
        call = space[function]
    # In a thread of its own, whose outermost frames are the standard library's.
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return caught[0]


@pytest.mark.parametrize(
    ("modules", "interrupted"),
    [
        (["__main__"], True),
        (["app.handlers"], True),
        (["asyncio.base_events", "tornado.web", "app"], True),
        (["app", "json.decoder", "re"], True),  # at work for the program
        (["app", "tornado.ioloop", "asyncio.base_events", "selectors"], False),
        (["app", "tornado_trio.interop.driver"], False),
        (["app", "trio._core._run", "heapq"], False),  # at work for trio
        (["app", "weakref"], False),
        (["json"], False),
        (["tornado_like"], True),
    ],
)
def test_the_innermost_frame_that_is_not_the_standard_librarys(
    modules: list[str], interrupted: bool
) -> None:
    assert in_program(frame_in(*modules)) is interrupted


def test_what_trio_is_told_to_protect_is_protected() -> None:
    @trio.lowlevel.enable_ki_protection
    def protected() -> types.FrameType:
        return sys._getframe()

    assert not in_program(protected())


def test_what_is_raised_while_an_object_is_deleted_would_be_dropped() -> None:
    assert not in_program(frame_in("app", function="__del__"))
    assert not in_program(None)


class Told:
    def __init__(self) -> None:
        self.calls: list[int] = []
        self.turned = True
        self.handler = SigintHandler(self.tell, signal.default_int_handler, lambda: self.turned)

    def tell(self, signum: int, frame: types.FrameType | None) -> None:
        assert frame is None  # trio would raise where it holds that for right
        self.calls.append(signum)


def test_trio_is_told_where_the_program_is_not_at_work() -> None:
    told = Told()
    told.handler(signal.SIGINT, frame_in("app", "asyncio"))
    assert told.calls == [signal.SIGINT]


def test_the_program_is_interrupted_where_it_is_at_work() -> None:
    told = Told()
    with pytest.raises(KeyboardInterrupt):
        told.handler(signal.SIGINT, frame_in("asyncio", "app"))
    assert told.calls == []


def test_the_second_interrupt_waits_for_nothing() -> None:
    told = Told()
    told.handler(signal.SIGINT, frame_in("asyncio"))
    with pytest.raises(KeyboardInterrupt):
        told.handler(signal.SIGINT, frame_in("asyncio"))
    told.handler.told = False  # the first one has been raised
    told.handler(signal.SIGINT, frame_in("asyncio"))
    assert len(told.calls) == 2


def test_a_run_that_nobody_turns_is_not_told() -> None:
    told = Told()
    told.turned = False
    with pytest.raises(KeyboardInterrupt):
        told.handler(signal.SIGINT, frame_in("asyncio"))


async def test_it_stands_in_front_of_trios_until_it_is_taken_off() -> None:
    trios = signal.getsignal(signal.SIGINT)
    handler = SigintHandler.installed(lambda: True)
    assert handler is not None
    try:
        assert signal.getsignal(signal.SIGINT) is handler
        assert SigintHandler.installed(lambda: True) is None  # one is enough
        await trio.to_thread.run_sync(handler.uninstall)  # where nobody may
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        handler.uninstall()
    assert signal.getsignal(signal.SIGINT) is trios


async def test_a_program_keeps_its_own() -> None:
    trios = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert SigintHandler.installed(lambda: True) is None
        signal.signal(signal.SIGINT, trios)
        handler = SigintHandler.installed(lambda: True)
        assert handler is not None
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        handler.uninstall()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, trios)


async def test_another_thread_has_none() -> None:
    assert await trio.to_thread.run_sync(SigintHandler.installed, lambda: True) is None


def test_the_main_task_is_told() -> None:
    async def main() -> str:
        handler = SigintHandler.installed(lambda: True)
        assert handler is not None
        try:
            handler(signal.SIGINT, frame_in("app", "tornado_trio.interop"))
            await trio.sleep_forever()
        except KeyboardInterrupt:
            return "interrupted"
        finally:
            handler.uninstall()

    assert trio.run(main) == "interrupted"
