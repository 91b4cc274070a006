"""Fetches per second of HTTP clients against one local server, each client in its own process.

    python benchmarks/clients.py [--upstream PYTHON] [--fetches 2000] [--rounds 3]

The server is nginx where it is installed, else `hello_server.py`. `--upstream` is an
interpreter that has upstream Tornado; aiohttp and httpx are measured if installed. All make
GETs of a small file, first one at a time, then with 100 under way. Rounds go in turns; the
table shows the best of each, and the client's own processor time per fetch.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONCURRENCY = (1, 100)
Fetch = Callable[[], Awaitable[Any]]


# --- the clients, each run in its own process -----------------------------------------


async def _measure_asyncio(fetch: Fetch, concurrency: int, count: int) -> tuple[float, float]:
    async def worker(number: int) -> None:
        for _ in range(number):
            await fetch()

    await worker(20)
    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[worker(count // concurrency) for _ in range(concurrency)])
    return count / (time.perf_counter() - start), (time.process_time() - cpu) / count * 1e6


def run_tornado(url: str, count: int) -> list[tuple[float, float]]:
    """Tornado's AsyncHTTPClient: upstream's or ours, by what `tornado` is."""
    from tornado.httpclient import AsyncHTTPClient

    async def main() -> list[tuple[float, float]]:
        results = []
        for concurrency in CONCURRENCY:
            client = AsyncHTTPClient(force_instance=True, max_clients=concurrency)
            results.append(
                await _measure_asyncio(lambda c=client: c.fetch(url), concurrency, count)
            )
            client.close()
        return results

    return asyncio.run(main())


def run_native(url: str, count: int) -> list[tuple[float, float]]:
    """tornado_trio's own client in a plain trio run."""
    import trio

    from tornado_trio.client import ClientLimits, open_client

    async def main() -> list[tuple[float, float]]:
        results = []
        for concurrency in CONCURRENCY:
            async with open_client(limits=ClientLimits(max_per_origin=concurrency)) as client:

                async def worker(number: int, client: Any = client) -> None:
                    for _ in range(number):
                        await client.get(url)

                await worker(20)
                start, cpu = time.perf_counter(), time.process_time()
                async with trio.open_nursery() as nursery:
                    for _ in range(concurrency):
                        nursery.start_soon(worker, count // concurrency)
                took = time.perf_counter() - start
                results.append((count / took, (time.process_time() - cpu) / count * 1e6))
        return results

    return trio.run(main)


def run_aiohttp(url: str, count: int) -> list[tuple[float, float]]:
    """aiohttp."""
    import aiohttp

    async def main() -> list[tuple[float, float]]:
        results = []
        for concurrency in CONCURRENCY:
            async with aiohttp.ClientSession() as session:

                async def fetch(session: Any = session) -> None:
                    async with session.get(url) as response:
                        await response.read()

                results.append(await _measure_asyncio(fetch, concurrency, count))
        return results

    return asyncio.run(main())


def run_httpx(url: str, count: int) -> list[tuple[float, float]]:
    """httpx."""
    import httpx

    async def main() -> list[tuple[float, float]]:
        results = []
        for concurrency in CONCURRENCY:
            async with httpx.AsyncClient() as client:
                results.append(
                    await _measure_asyncio(lambda c=client: c.get(url), concurrency, count)
                )
        return results

    return asyncio.run(main())


# --- the harness ------------------------------------------------------------------------


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """A server on a free port; its name and a URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    with tempfile.TemporaryDirectory() as folder:
        if nginx:
            Path(folder, "index.html").write_text("Hello, world")
            config = Path(folder, "nginx.conf")
            config.write_text(
                f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error;\n"
                "events { worker_connections 2000; }\n"
                f"http {{ access_log off; keepalive_requests 1000000; root {folder};\n"
                f"client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n"
                f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;\n"
                f"scgi_temp_path {folder}/s;\n"
                f"server {{ listen 127.0.0.1:{port} backlog=2000; }} }}\n"
            )
            os.chmod(folder, 0o755)
            command = [nginx, "-c", str(config)]
        else:
            command = [sys.executable, str(HERE / "hello_server.py"), str(port)]
        process = subprocess.Popen(command)
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield ("nginx" if nginx else "hello_server.py"), f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    """Run every client in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--upstream", help="an interpreter that has upstream Tornado")
    parser.add_argument("--fetches", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", nargs=2, metavar=("CLIENT", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        name, url = options.run
        print(json.dumps(globals()[f"run_{name}"](url, options.fetches)))
        return
    overlay = {**os.environ, "PYTHONPATH": str(HERE.parent / "compat")}
    sides: list[tuple[str, str, str, dict[str, str]]] = []
    if options.upstream:
        sides.append(("upstream tornado", "tornado", options.upstream, dict(os.environ)))
    sides.append(("tornado (compat)", "tornado", sys.executable, overlay))
    sides.append(("tornado_trio", "native", sys.executable, dict(os.environ)))
    sides.append(("aiohttp", "aiohttp", sys.executable, dict(os.environ)))
    sides.append(("httpx", "httpx", sys.executable, dict(os.environ)))
    best: dict[str, list[tuple[float, float]]] = {}
    with server() as (server_name, url):
        for _ in range(options.rounds):
            for label, client, python, environment in sides:
                command = [
                    python,
                    __file__,
                    "--fetches",
                    str(options.fetches),
                    "--run",
                    client,
                    url,
                ]
                done = subprocess.run(command, env=environment, capture_output=True, text=True)
                if done.returncode:
                    print(f"{label}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                    continue
                results = [tuple(pair) for pair in json.loads(done.stdout)]
                before = best.get(label, [(0.0, 1e9)] * len(results))
                best[label] = [
                    (max(old[0], new[0]), min(old[1], new[1]))
                    for old, new in zip(before, results, strict=True)
                ]
    print(f"fetches/s (µs of processor time per fetch) from {server_name}")
    print(f"{'client':18}" + "".join(f"{f'{c} at a time':>24}" for c in CONCURRENCY))
    for label, figures in best.items():
        cells = "".join(f"{f'{rate:,.0f} ({cpu:.0f})':>24}" for rate, cpu in figures)
        print(f"{label:18}{cells}")


if __name__ == "__main__":
    main()
