"""Jobs on streaq: their story by server-sent events, retries; crashes and shutdowns lose none.

`JOBS=10000` for the size that the how-to page tells of.
"""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.brokers import OwnRedis
from tests.ports import free_port

from .programs import get, running

pytest.importorskip("streaq")
PROGRAM = "native/jobs.py"
JOBS = int(os.environ.get("JOBS", "1500"))
LONG = 60 if JOBS <= 2000 else 600


class Site:
    """The program over HTTP."""

    def __init__(self, port: int, process: Any) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = process

    def post(self, path: str, **fields: object) -> Any:
        data = urlencode(fields).encode()
        with urllib.request.urlopen(self.url + path, data, timeout=60) as answer:
            assert answer.status == 202
            body = answer.read()
            return json.loads(body) if body else None

    def story(self, job: str, last: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """Id and data of each event until the stream ends."""
        request = urllib.request.Request(f"{self.url}/jobs/{job}/events")
        if last:
            request.add_header("Last-Event-ID", last)
        with urllib.request.urlopen(request, timeout=60) as answer:
            number = ""
            for line in answer:
                name, _, value = line.decode().strip().partition(": ")
                if name == "id":
                    number = value
                elif name == "data":
                    yield number, json.loads(value)

    def done(self) -> int:
        count: int = json.loads(get(self.url + "/ticks"))["done"]
        return count

    def until(self, count: int) -> int:
        """Wait until so many ticks are done; how many it saw."""
        deadline = time.monotonic() + LONG
        while (done := self.done()) < count:
            assert time.monotonic() < deadline, f"{done} of {count}"
            time.sleep(0.1)
        return done

    def workers(self) -> list[int]:
        """Their process numbers."""
        pid = self.process.pid
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


@contextmanager
def site(redis: OwnRedis, *options: str) -> Iterator[Site]:
    port = free_port()
    common = (f"--port={port}", f"--redis={redis.url}", "--idle=2", "--logging=error", *options)
    with running(PROGRAM, *common, overlay=False) as process:
        get(f"http://127.0.0.1:{port}/ticks", LONG)
        yield Site(port, process)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[OwnRedis]:
    with OwnRedis(tmp_path) as own:
        yield own


@pytest.mark.timeout(120)
def test_a_job_and_its_story(redis: OwnRedis) -> None:
    with site(redis, "--workers=1") as jobs:
        job = jobs.post("/jobs", text="to be or not to be")["id"]
        events = list(jobs.story(job))
        told = [data for _, data in events]
        assert [data["state"] for data in told] == ["queued"] + 6 * ["progress"] + ["done"]
        assert told[-1]["result"] == {"to": 2, "be": 2, "or": 1, "not": 1}
        # A browser that comes back goes on where it was.
        assert list(jobs.story(job, events[4][0])) == events[5:]
        # Tries that fail are told, and tried again.
        failed = 0
        for _ in range(3):
            job = jobs.post("/jobs", text=f"flaky {uuid.uuid4().hex}")["id"]
            states = [data["state"] for _, data in jobs.story(job)]
            assert states[0] == "queued" and states[-1] == "done", states
            failed += states.count("again")
            if failed:
                break


@pytest.mark.timeout(2 * LONG + 60)
def test_a_worker_that_is_killed_loses_no_job(redis: OwnRedis) -> None:
    with site(redis, "--workers=2") as jobs:
        killed, other = jobs.workers()
        begun = time.monotonic()
        for first in range(0, JOBS, 1000):
            jobs.post("/ticks", first=first, count=min(1000, JOBS - first))
        at = jobs.until(JOBS // 5)
        os.kill(killed, signal.SIGKILL)
        assert at < JOBS, "all were done before the worker could be killed"
        assert jobs.until(JOBS) == JOBS
        print(f"{JOBS} jobs in {time.monotonic() - begun:.1f} s, a worker killed after {at}")
        # There are two again.
        deadline = time.monotonic() + 20
        while len(jobs.workers()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert other in jobs.workers() and killed not in jobs.workers()


@pytest.mark.timeout(2 * LONG + 60)
def test_a_shutdown_loses_no_job(redis: OwnRedis) -> None:
    with site(redis, "--workers=2") as jobs:
        jobs.post("/ticks", first=0, count=1000)
        done = jobs.until(100)
        jobs.process.terminate()
        assert jobs.process.wait(60) == 0
    with site(redis, "--workers=2") as jobs:
        assert done <= jobs.done() <= 1000
        assert jobs.until(1000) == 1000
