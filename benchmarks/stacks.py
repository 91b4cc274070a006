"""The servers that are measured side by side: how each is started, and what it has used.

Knows commands and processes. Must not know cases or figures.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A server with its framework.

    Attributes:
      command: after the interpreter; "{port}" and "{workers}" are filled in.
      ours: it imports this project from where it lies.
      pool: the command of several workers; empty: it is not asked for them.
    """

    name: str
    command: tuple[str, ...]
    ours: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    pool: tuple[str, ...] = ()


def _uvicorn(app: str) -> tuple[str, ...]:
    quiet = ("--no-access-log", "--log-level=warning")
    in_c = ("--http=httptools", "--loop=uvloop")
    return ("-m", "uvicorn", f"{app}:app", "--port={port}", *quiet, *in_c)


_NATIVE_POOL = ("-m", "tornado_trio.cli", "serve", "native:app", "--host=127.0.0.1")

STACKS = (
    Stack(
        name="native",
        command=("native.py", "{port}"),
        ours=True,
        pool=(*_NATIVE_POOL, "--port={port}", "--workers={workers}", "--no-access-log"),
    ),
    Stack(name="compat", command=("-m", "compat", "tornado_app.py", "{port}"), ours=True),
    Stack(name="Tornado", command=("tornado_app.py", "{port}")),
    Stack(
        name="uvicorn + Starlette",
        command=_uvicorn("starlette_app"),
        pool=(*_uvicorn("starlette_app"), "--workers={workers}"),
    ),
    Stack(name="uvicorn + FastAPI", command=_uvicorn("fastapi_app")),
    Stack(name="aiohttp", command=("aiohttp_app.py", "{port}")),
    Stack(
        name="Hypercorn + Quart-Trio",
        command=("-m", "hypercorn", "-k", "trio", "-w", "0", "-b", "127.0.0.1:{port}")
        + ("quart_app:app",),
    ),
)
ENGINES = tuple(
    Stack(
        name=f"native, engine {name}",
        command=("native.py", "{port}"),
        ours=True,
        environment={"TORNADO_TRIO_ENGINE": name},
    )
    for name in ("own", "h11")
)


@dataclass(slots=True)
class Running:
    """A started server.

    Attributes:
      port: where it listens.
      pid: of its first process.
    """

    port: int
    pid: int

    def processes(self) -> list[int]:
        """Its first process and all below it."""
        found = [self.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def seconds(self) -> float:
        """Of processor time, kernel included, by all of its processes."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / TICK

    def memory(self) -> int:
        """Bytes that it alone holds, of all of its processes."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += sum(int(s.split()[1]) for s in lines if s.startswith("Private_Dirty"))
        return total * 1024


@contextlib.contextmanager
def running(
    stack: Stack,
    python: str,
    *,
    before: Sequence[str] = (),
    cpus: set[int] | None = None,
    workers: int = 0,
    environment: dict[str, str] | None = None,
) -> Iterator[Running]:
    """Start a stack; it listens when the block begins, and is gone after it.

    Args:
      python: the interpreter of the environment that has the peers.
      before: a command that runs the interpreter, such as valgrind with its options.
      cpus: the processors that it may use; None: all.
      workers: how many; 0: one process, without a pool.
      environment: more variables.

    Raises:
      RuntimeError: it ended, or does not listen; with the last line it printed.
    """
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    parts = stack.pool if workers else stack.command
    command = [*before, python, *(part.format(port=port, workers=workers) for part in parts)]
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    variables = {**inherited, **stack.environment, **(environment or {}), "PYTHONHASHSEED": "0"}
    if stack.ours:
        variables["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=HERE / "peers",
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,
        )
        try:
            _wait_for(port, process)
            yield Running(port, process.pid)
        except TimeoutError as error:
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace").strip().splitlines() or ["nothing"]
            raise RuntimeError(f"{stack.name} {error}: {said[-1][:200]}") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until:
        if process.poll() is not None:
            raise TimeoutError("ended")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.1)
    raise TimeoutError("does not listen")
