"""`tornado.process`: forking with restarts, and child processes with streams."""

import compat  # noqa: I001 - activates the overlay

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.children import ending
from tests.platforms import needs_fork
from tornado import process
from tornado._impl.loop import exit_watch
from tornado.iostream import PipeIOStream
from tornado.process import CalledProcessError, Subprocess


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(main(), 10))  # type: ignore[arg-type]


def python(code: str, **options: Any) -> Subprocess:
    return Subprocess([sys.executable, "-I", "-c", code], **options)


def test_streams_and_exit() -> None:
    async def main() -> None:
        child = python(
            "import sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data[::-1]);"
            "sys.stderr.write('done'); sys.exit(3)",
            stdin=Subprocess.STREAM,
            stdout=Subprocess.STREAM,
            stderr=Subprocess.STREAM,
        )
        ended = child.wait_for_exit(raise_error=False)
        await child.stdin.write(b"0123456789" * 20_000)
        child.stdin.close()
        assert await child.stdout.read_until_close() == b"9876543210" * 20_000
        assert await child.stderr.read_until_close() == b"done"
        assert await ended == 3
        assert child.returncode == child.proc.returncode == 3

    run(main)


def test_streams_of_a_kind_that_was_put_into_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(PipeIOStream):
        pass

    async def main() -> type:
        child = python("print('x')", stdout=Subprocess.STREAM)
        assert (await child.stdout.read_until_close()).strip() == b"x"
        await child.wait_for_exit()
        return type(child.stdout)

    assert run(main) is PipeIOStream
    monkeypatch.setattr("tornado.process.PipeIOStream", Mine)
    assert run(main) is Mine


@pytest.mark.parametrize("pidfd", [True, False])
def test_waiting(pidfd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open", raising=False)

    async def main() -> None:
        Subprocess.initialize()
        with pytest.raises(CalledProcessError) as caught:
            await python("raise SystemExit(7)").wait_for_exit()
        assert caught.value.returncode == 7
        child = python("import time; time.sleep(60)")
        ended = child.wait_for_exit(raise_error=False)
        os.kill(child.pid, signal.SIGTERM)
        assert await ended == -signal.SIGTERM
        codes: list[int] = []
        child = python("pass")
        child.set_exit_callback(codes.append)
        while not codes:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert codes == [0]
        child.proc.wait()  # knows already
        child = python("pass")
        ended = child.wait_for_exit()
        ended.cancel()
        while child.returncode is None:  # noqa: ASYNC110 - it is reaped all the same
            await asyncio.sleep(0.01)
        Subprocess.uninitialize()

    run(main)


def test_somebody_else_reaped_it() -> None:
    async def main() -> None:
        child = python("raise SystemExit(2)")
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222
        assert child.proc.wait() == 2  # it has ended
        assert await child.wait_for_exit(raise_error=False) == 2

    run(main)
    assert exit_watch._reap(os.getpid(), os.WNOHANG) is None


def test_a_program_that_does_not_exist_leaks_nothing() -> None:
    async def main() -> None:
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(FileNotFoundError):
            Subprocess(["/nonexistent"], stdin=Subprocess.STREAM, stdout=Subprocess.STREAM)
        assert len(os.listdir("/proc/self/fd")) == before

    run(main)


def forked(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"PYTHONPATH": compat.path()},
        capture_output=True,
        text=True,
        timeout=30,
    )


@needs_fork
def test_children_are_numbered_and_restarted() -> None:
    done = forked(
        """
        import os, random, sys, tempfile
        random.seed(1)
        from tornado.process import fork_processes, task_id
        folder = tempfile.mkdtemp()
        assert task_id() is None
        print("text before the fork is written once")
        number = fork_processes(3, max_restarts=3)
        assert task_id() == number
        marker = os.path.join(folder, str(number))
        if not os.path.exists(marker):
            open(marker, "w").close()
            if number == 0: os._exit(5)
            if number == 1: os.kill(os.getpid(), 9)
        sys.stdout.write(f"{number} {random.random()}\\n")
        """
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines.count("text before the fork is written once") == 1
    answers = dict(line.split() for line in lines if line[0].isdigit())
    assert sorted(answers) == ["0", "1", "2"]
    assert len(set(answers.values())) == 3  # each draws its own random numbers


@needs_fork
def test_restarts_are_bounded() -> None:
    done = forked(
        """
        import os
        from tornado.process import fork_processes
        fork_processes(1, max_restarts=2)
        os._exit(1)
        """
    )
    assert done.returncode == 1
    assert "Too many child restarts, giving up" in done.stderr


def test_cpu_count() -> None:
    assert process.cpu_count() >= 1


CHILDREN = """
import os, signal, sys, time
from tornado.process import fork_processes
{before}
number = fork_processes(3)
{after}
os.write(1, b"%d\\n" % os.getpid())
time.sleep(60)
"""
DRAINS = """
def drain(*args):
    time.sleep(0.3)
    os.write(1, b"drained\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@needs_fork
@pytest.mark.parametrize(
    ("before", "after", "number", "status"),
    [
        ("", "", signal.SIGTERM, -signal.SIGTERM),
        ("signal.signal(signal.SIGHUP, signal.SIG_DFL)", "", signal.SIGHUP, -signal.SIGHUP),
        ("", DRAINS, signal.SIGTERM, -signal.SIGTERM),
        ("signal.signal(signal.SIGTERM, lambda *args: sys.exit(4))", "", signal.SIGTERM, 4),
    ],
)
def test_a_parent_that_is_terminated_leaves_no_orphan(
    before: str, after: str, number: int, status: int
) -> None:
    with ending(
        subprocess.Popen(
            [sys.executable, "-c", CHILDREN.format(before=before, after=after)],
            env=os.environ | {"PYTHONPATH": compat.path()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    ) as parent:
        assert parent.stdout is not None
        children = [int(parent.stdout.readline()) for _ in range(3)]
        parent.send_signal(number)
        out, err = parent.communicate(timeout=30)
    assert parent.returncode == status, err
    assert out.count("drained") == (3 if after else 0)
    assert not any(alive(pid) for pid in children)
    assert "restarting" not in err


@needs_fork
def test_a_parent_that_gives_up_ends_its_children() -> None:
    done = forked(
        """
        import os, time
        from tornado.process import fork_processes
        if fork_processes(2, max_restarts=1) == 0:
            os._exit(1)
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(60)
        """
    )
    assert "Too many child restarts, giving up" in done.stderr
    # The other may have been ended before it could say its number.
    assert not any(alive(int(line)) for line in done.stdout.split())
