"""Workers as operators meet them: killed, hung, replaced, counted, ended. Real processes."""

from __future__ import annotations

import collections
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platforms import needs_unix_sockets

from .load import Load
from .processes import APP, PATIENCE, ROOT, SERVE, Process, get, service

pytestmark = [
    pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="workers need a Unix system"),
    pytest.mark.timeout(180),
]

SCRIPT = APP + '\nif __name__ == "__main__":\n    run(app, port=0, workers=2, access_log=False)\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(SCRIPT)
    return tmp_path


@contextlib.contextmanager
def workers(
    folder: Path, *options: str, command: tuple[str, ...] = ("app:app",), **environ: str
) -> Iterator[tuple[Process, str]]:
    """A parent with two workers that are ready, and their address."""
    arguments = (*SERVE, *command, "--workers=2", "--port=0", "--no-access-log", *options)
    with service(*arguments, cwd=folder, **environ) as process:
        url = process.url()
        process.wait_for("2 workers are ready")
        yield process, url


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def pids_of(url: str, count: int) -> set[int]:
    """Ask until so many workers have answered."""
    pids: set[int] = set()
    deadline = time.monotonic() + PATIENCE
    with contextlib.ExitStack() as stack:  # connections that stay open, so that others get some
        while len(pids) < count:
            assert time.monotonic() < deadline, pids
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port_of(url))))
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            pids.add(int(sock.recv(65536).rpartition(b" ")[2]))
    return pids


def wait_for_the_end_of(pids: set[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, pids
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("by", ["run", "serve", "asyncio"])
def test_it_serves_from_two_and_stops_quietly(folder: Path, by: str) -> None:
    options = ["--asyncio"] if by == "asyncio" else []
    command = (
        ["app.py"] if by == "run" else [*SERVE, "app:app", "--workers=2", "--port=0", *options]
    )
    with service(*command, cwd=folder) as process:
        url = process.url()
        process.wait_for("2 workers are ready")
        pids = pids_of(url, 2)
        assert process.pid not in pids
        process.signal(signal.SIGINT)
        assert process.wait() == 0
    assert not any(map(alive, pids))
    assert process.output.count("serving on") == 1
    assert "Traceback" not in process.output


def test_a_killed_worker_is_replaced(folder: Path) -> None:
    """Other workers' requests are all answered, and a new one comes at once."""
    with workers(folder) as (process, url), Load(port_of(url)) as load:
        load.until(500)
        [victim, survivor] = pids_of(url, 2)
        os.kill(victim, signal.SIGKILL)
        found = process.wait_for(
            rf"worker (\d) \(pid {victim}\) was killed by SIGKILL; another is started$"
        )
        ready = process.wait_for(rf"worker {found[1]} \(pid (\d+)\) is ready, [\d.]+ s after")
        assert int(ready[1]) not in (victim, survivor)
        load.until(load.total + 500)
        after = pids_of(url, 2)
        assert survivor in after and victim not in after
        load.stop()
        # Lost is what the victim was answering, and nothing else.
        assert load.refused == 0
        assert all(lost.startswith((f"{victim}:", "nobody:")) for lost in load.lost), load.lost
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


def test_connections_and_requests_are_shared_evenly(folder: Path) -> None:
    with workers(folder) as (_, url), contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port_of(url))))
            for _ in range(64)
        ]
        asked: collections.Counter[bytes] = collections.Counter()
        for _ in range(10):
            for sock in sockets:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            asked.update(sock.recv(65536).rpartition(b" ")[2] for sock in sockets)
        assert len(asked) == 2
        assert 0.4 * 640 <= min(asked.values()), asked


def test_told_to_end_while_it_still_imports(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import time\nprint('importing')\ntime.sleep(600)\n")
    for count in (1, 2):
        command = (*SERVE, "app:app", f"--workers={count}", "--port=0")
        with service(*command, cwd=tmp_path) as process:
            process.wait_for("importing")
            process.signal(signal.SIGINT)
            assert process.wait() == (130 if count == 1 else 0)
        assert "Traceback" not in process.output


def test_sighup_replaces_all_and_loses_none(folder: Path) -> None:
    with workers(folder) as (process, url), Load(port_of(url)) as load:
        load.until(1000)
        before = pids_of(url, 2)
        process.signal(signal.SIGHUP)
        process.wait_for("all workers are replaced")
        load.until(5000)
        wait_for_the_end_of(before)
        assert not pids_of(url, 2) & before
        load.stop()
        assert load.lost == []
        assert load.refused == 0
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert not any(map(alive, before))


def test_sighup_runs_what_is_on_disk(folder: Path) -> None:
    with workers(folder) as (process, url):
        (folder / "app.py").write_text(APP.replace("hello", "hola"))
        process.signal(signal.SIGHUP)
        process.wait_for("all workers are replaced")
        assert get(url).startswith("hola")
        (folder / "app.py").write_text("import nothing_of_this_name\n")
        process.signal(signal.SIGHUP)
        process.wait_for("ModuleNotFoundError")
        process.wait_for("the new worker 1 does not start: the old ones go on")
        assert get(url).startswith("hola")
        assert len(pids_of(url, 2)) == 2


def test_sigterm_under_load_loses_none(folder: Path) -> None:
    with workers(folder) as (process, url), Load(port_of(url), path="/?s=0.05") as load:
        load.until(100)
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        load.stop()
    # Connections are kept: whatever was sent on one was answered. New ones are refused at last.
    assert [lost for lost in load.lost if "Refused" not in lost] == []


def test_a_worker_that_blocks_its_loop_is_replaced(folder: Path) -> None:
    with workers(folder, "--worker-timeout=1.5") as (process, url):
        before = pids_of(url, 2)
        with socket.create_connection(("127.0.0.1", port_of(url))) as sock:
            sock.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
            found = process.wait_for(
                r"worker (\d) \(pid (\d+)\) has not answered for \d+ s: killed"
            )
            assert int(found[2]) in before
            process.wait_for("in get")  # where it hung
            process.wait_for(r"was killed by SIGABRT; another is started")
            ready = process.wait_for(rf"worker {found[1]} \(pid (\d+)\) is ready")
            assert int(ready[1]) not in before
            deadline = time.monotonic() + PATIENCE
            while pids_of(url, 2) == before:
                assert time.monotonic() < deadline


def test_those_that_were_stopped_together_are_not_killed(folder: Path) -> None:
    """Ctrl-Z in a terminal, then `fg`."""
    with workers(folder, "--worker-timeout=1") as (process, url):
        before = pids_of(url, 2)
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(2.5)
        os.killpg(process.pid, signal.SIGCONT)
        time.sleep(1.5)
        assert pids_of(url, 2) == before
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert "killed" not in process.output


def test_recycled_after_a_number_of_requests(folder: Path) -> None:
    with workers(folder, "--max-requests=200") as (process, url), Load(port_of(url)) as load:
        for _ in range(3):
            process.wait_for(
                r"worker \d \(pid \d+\) has answered 2[0-2]\d requests, and is replaced"
            )
        while len(load.answered) < 4 and not load.lost:
            load.until(load.total + 100)
        load.stop()
        assert load.lost == []


def test_one_more_and_one_less(folder: Path) -> None:
    with workers(folder) as (process, url):
        process.signal(signal.SIGTTIN)
        process.wait_for("a worker more, 3 in all")
        assert len(pids_of(url, 3)) == 3
        process.signal(signal.SIGTTOU)
        process.wait_for("a worker less, 2 in all")
        process.signal(signal.SIGTTOU)
        process.wait_for("a worker less, 1 in all")
        process.signal(signal.SIGTTOU)  # the last one stays
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


def test_a_worker_that_cannot_start_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def f():\n    raise KeyError('mine')\nf()\n")
    (tmp_path / "later.py").write_text("async def main():\n    raise KeyError('mine')\n")
    for target in ("app:app", "later:main"):
        with service(*SERVE, target, "--workers=2", cwd=tmp_path) as process:
            assert process.wait() == 1
        assert process.output.count("Traceback") == 1, process.output
        assert process.output.count("KeyError: 'mine'") <= 2
    (tmp_path / "name.py").write_text("app = 1\n")
    with service(*SERVE, "name:ap", "--workers=2", cwd=tmp_path) as process:
        assert process.wait() == 2
    [line] = process.lines
    assert "did you mean 'app'" in line


def test_a_port_in_use_ends_the_parent_in_one_line(folder: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        command = (*SERVE, "app:app", "--workers=2", f"--port={port}")
        with service(*command, cwd=folder) as process:
            assert process.wait() == 1
    [line] = process.lines
    assert f"Address already in use: 127.0.0.1:{port}" in line


def test_workers_that_die_at_once_are_given_up(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        APP
        + "import os, signal\nasync def main():\n    async with trio.open_nursery() as nursery:\n"
        "        await nursery.start(serve, app)\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with service(*SERVE, "app:main", "--workers=2", "--port=0", cwd=tmp_path) as process:
        process.wait_for("workers die as soon as they are started: giving up", 90)
        assert process.wait() == 1


def test_the_second_signal_cuts_all(folder: Path) -> None:
    with workers(folder) as (process, url), contextlib.ExitStack() as stack:
        for _ in range(8):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port_of(url))))
            sock.sendall(b"GET /?s=60 HTTP/1.1\r\nHost: a\r\n\r\n")
        process.wait_for("begins")
        process.signal(signal.SIGTERM)
        process.wait_for("SIGTERM: stopping")
        process.signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM


def test_signals_to_the_whole_group_drain(folder: Path) -> None:
    """Ctrl-C in a terminal and service managers signal parent and workers alike."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with workers(folder) as (process, url):
            with socket.create_connection(("127.0.0.1", port_of(url))) as sock:
                sock.sendall(b"GET /?s=1 HTTP/1.1\r\nHost: a\r\n\r\n")
                process.wait_for("begins")
                os.killpg(process.pid, number)
                assert sock.recv(65536).startswith(b"HTTP/1.1 200")
            assert process.wait() == 0


def test_a_worker_that_somebody_else_ends_is_replaced(folder: Path) -> None:
    with workers(folder) as (process, url), Load(port_of(url)) as load:
        [one, two] = pids_of(url, 2)
        os.kill(one, signal.SIGTERM)
        process.wait_for(rf"\(pid {one}\) ended with status 0; another is started$")
        assert one not in pids_of(url, 2)
        load.stop()
        assert load.lost == []


def test_workers_end_with_their_parent(folder: Path) -> None:
    with workers(folder) as (process, url):
        pids = pids_of(url, 2)
        process.popen.kill()
        process.popen.wait()
        wait_for_the_end_of(pids)


def test_main_may_serve_on_several_ports(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        APP + "async def main():\n    async with trio.open_nursery() as nursery:\n"
        "        await nursery.start(serve, app)\n"
        "        [two] = await nursery.start(lambda task_status: serve("
        "app, 0, host='127.0.0.1', task_status=task_status))\n"
        # In one piece: the other worker writes, too.
        "        print(f'two {two.address[1]}\\n', end='')\n"
    )
    with service(*SERVE, "app:main", "--workers=2", "--port=0", cwd=tmp_path) as process:
        ports = {int(process.wait_for(r"^two (\d+)$")[1]) for _ in range(2)}
        assert len(ports) == 1  # the same in both workers
        assert get(f"http://127.0.0.1:{ports.pop()}").startswith("hello")


def test_workers_that_have_done_their_work(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("async def main():\n    print('finished')\n")
    with service(*SERVE, "app:main", "--workers=2", cwd=tmp_path) as process:
        assert process.wait() == 0
    assert process.output.count("finished") == 2


def test_no_workers_without_a_program_to_repeat(folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-"],
        input="from app import app\nfrom tornado_trio import run\nrun(app, workers=2)\n",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "workers are the program started again" in ended.stderr


# --- service managers --------------------------------------------------------------------------


@needs_unix_sockets
@pytest.mark.parametrize("count", [1, 2])
def test_systemd(folder: Path, count: int) -> None:
    """A listening socket and a notification socket are passed, as systemd does it."""
    address = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, socket.socket() as sock:
        manager.bind(address)
        manager.settimeout(PATIENCE)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        # LISTEN_PID is the process's own: set between fork and exec, as a manager would.
        starter = (
            "import os, sys; fd = int(sys.argv[1]); os.dup2(fd, 3); os.set_inheritable(3, True)\n"
            "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n"
            "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])\n"
        )
        popen = subprocess.Popen(
            [sys.executable, "-c", starter, str(sock.fileno()), *SERVE, "app:app"]
            + [f"--workers={count}", "--no-access-log"],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "NOTIFY_SOCKET": address,
                "WATCHDOG_USEC": "1000000",
            },
            pass_fds=[sock.fileno()],
            start_new_session=True,
        )
        try:
            heard = set[str]()

            def hear(*wanted: str) -> None:
                while not heard.issuperset(wanted):
                    heard.update(manager.recv(1000).decode().split("\n"))

            hear("READY=1", "WATCHDOG=1")
            assert get(url).startswith("hello")
            if count > 1:
                heard.clear()
                popen.send_signal(signal.SIGHUP)
                hear("RELOADING=1", "READY=1")
            heard.clear()
            popen.terminate()
            hear("STOPPING=1")
            assert popen.wait(PATIENCE) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()


def _can_unshare() -> bool:
    try:
        ended = subprocess.run(
            ["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, timeout=10
        )
    except OSError:
        return False
    return ended.returncode == 0


@pytest.mark.skipif(sys.platform != "linux" or not _can_unshare(), reason="no new pid namespace")
def test_as_the_first_process_of_a_container(folder: Path) -> None:
    """Signals arrive, and orphans are reaped."""
    (folder / "orphans.py").write_text(
        APP + "import subprocess\n"
        "class Orphan(web.RequestHandler):\n"
        "    def get(self):\n"
        "        subprocess.run(['sh', '-c', 'sleep 0.1 & exit'])\n"
        "class Zombies(web.RequestHandler):\n"
        "    def get(self):\n"
        "        found = subprocess.check_output(['ps', '-eo', 'stat'], text=True)\n"
        "        self.write(str(found.count('Z')))\n"
        "app = web.Application([('/', Hello), ('/orphan', Orphan), ('/zombies', Zombies)])\n"
    )
    popen = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, *SERVE]
        + ["orphans:app", "--port=0"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    process = Process(popen)
    try:
        url = process.url()
        for _ in range(3):
            get(f"{url}/orphan")
        deadline = time.monotonic() + PATIENCE
        time.sleep(0.3)
        while get(f"{url}/zombies") != "0":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        children = Path(f"/proc/{popen.pid}/task/{popen.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        assert process.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()
        process.reader.join(PATIENCE)
    assert re.search("SIGTERM: stopping", process.output)
