"""Metrics: what is counted, its text, and that it adds up over workers."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.ports import free_port
from tests.service.processes import APP, SERVE, get, service
from tornado_trio import web
from tornado_trio.client.options import ClientLimits
from tornado_trio.client.pool import Pool
from tornado_trio.exchange import Cause, Exchange, Finished
from tornado_trio.observe import (
    Family,
    Inspector,
    LocalSource,
    Meter,
    RegistryCollector,
    render,
    routes,
)
from tornado_trio.observe import inspector as inspecting
from tornado_trio.observe.families import add_up
from tornado_trio.observe.meter import FINE, MOST_SERIES, quantile, shown_path
from tornado_trio.observe.serving import parse_address
from tornado_trio.server import ServerOptions
from tornado_trio.service import CannotStart
from tornado_trio.web.calls import Call, Next, Response


def record(**values: object) -> Finished:
    defaults: dict[str, object] = {
        "id": "1",
        "method": "GET",
        "target": "/a?secret=1",
        "route": "app.A",
        "handler": "app.A",
        "status": 200,
        "cause": Cause.COMPLETE,
        "seconds": 0.02,
        "bytes_in": 3,
        "bytes_out": 5,
        "client": "::1",
        "tls": False,
    }
    return Finished(**{**defaults, **values})  # type: ignore[arg-type]


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """As a strict parser reads it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    found = [v for (n, have), v in samples(text).items() if n == name and wanted <= set(have)]
    assert found, f"{name}{labels} is not in\n{text}"
    return sum(found)


def test_requests_are_counted_by_route_and_status() -> None:
    meter = Meter()
    for status in (200, 200, 404):
        meter(record(status=status))
    meter(record(method="POST", seconds=3.0, bytes_in=100))
    text = render(meter.families())
    assert value(text, "tornado_http_requests_total", status="200", method="GET") == 2
    assert value(text, "tornado_http_requests_total", status="404") == 1
    duration = "tornado_http_request_duration_seconds"
    assert value(text, f"{duration}_count", method="GET") == 3
    assert value(text, f"{duration}_sum", method="POST") == 3.0
    assert value(text, f"{duration}_bucket", method="GET", le="0.01") == 0
    assert value(text, f"{duration}_bucket", method="GET", le="0.025") == 3
    assert value(text, f"{duration}_bucket", method="POST", le="2.5") == 0
    assert value(text, f"{duration}_bucket", method="POST", le="+Inf") == 1
    assert value(text, "tornado_http_request_body_bytes_total") == 109
    assert "secret" not in text


def test_labels_are_bounded() -> None:
    meter = Meter()
    for number in range(MOST_SERIES + 100):
        meter(record(route=f"route {number}", method=f"M{number}"))
    text = render(meter.families())
    assert value(text, "tornado_http_requests_total") == MOST_SERIES + 100
    assert value(text, "tornado_http_requests_total", route="(other)") == 100
    assert {labels for name, labels in samples(text) if ("method", "M1") in labels} == set()


def test_any_label_can_be_parsed_back() -> None:
    meter = Meter()
    odd = 'a "b" \\ c\nd'
    meter(record(route=odd))
    assert value(render(meter.families()), "tornado_http_requests_total", route=odd) == 1


def test_quantiles_are_right_to_a_fifth() -> None:
    meter = Meter()
    for number in range(1, 1001):
        meter(record(seconds=number / 1000))
    _, counts = meter.take_recent()
    assert quantile(counts, 0.5) == pytest.approx(0.5, rel=0.2)
    assert quantile(counts, 0.99) == pytest.approx(0.99, rel=0.2)
    assert quantile([0] * (len(FINE) + 1), 0.5) is None
    assert meter.take_recent() == ([0] * 6, [0] * (len(FINE) + 1))


def test_families_add_up_and_survive_the_way() -> None:
    one = Family("a_total", "counter", "A.").add(1, kind="x").add(2, kind="y")
    other = Family.from_json(one.as_json())
    assert other == one
    assert add_up([[one], [other]])[0].samples == {
        ("", (("kind", "x"),)): 2,
        ("", (("kind", "y"),)): 4,
    }
    assert one == other  # they themselves stay


def test_another_hook_goes_on() -> None:
    seen: list[Finished] = []
    meter = Meter()
    hook = meter.options(ServerOptions(access_log=seen.append)).access_log
    assert hook is not None
    hook(record())
    assert len(seen) == 1 and value(render(meter.families()), "tornado_http_requests_total") == 1


def test_errors_are_kept_without_queries() -> None:
    meter = Meter()
    meter(record(status=500, cause=Cause.HANDLER_FAILED))
    assert [(e["path"], e["status"], e["cause"]) for e in meter.errors] == [
        ("/a?…", 500, "handler failed")
    ]
    assert shown_path("/x") == "/x"


async def test_metrics_of_a_server(memory_serve) -> None:  # type: ignore[no-untyped-def]
    class Slow(web.RequestHandler):
        async def get(self) -> None:
            await trio.sleep(1)
            self.write("done")

    class Wrong(web.RequestHandler):
        def get(self, id: str) -> None:
            raise web.HTTPError(418)

    servers: list[object] = []
    inspector = Inspector(lambda: servers)  # type: ignore[arg-type, return-value]
    app = web.Application(
        [("/slow", Slow), ("/wrong/{id}", Wrong), *routes(LocalSource(inspector), prefix="/in")]
    )
    served = await memory_serve(app, inspector.meter.options(None))
    servers.append(served.server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(served.get, "/slow")
        await trio.testing.wait_all_tasks_blocked()
        for number in range(3):
            answer = await served.get(f"/wrong/{number}")
            assert answer.status == 418
        text = (await served.get("/in/metrics")).body.decode()
        assert value(text, "tornado_http_requests_in_progress") == 2  # and that for the metrics
        assert value(text, "tornado_http_requests_total", status="418") == 3
        assert "/wrong/1" not in text
        assert value(text, "tornado_draining") == 0
    text = (await served.get("/in/metrics")).body.decode()
    assert value(text, "tornado_http_requests_total", status="200") == 2
    assert value(text, "tornado_connections", phase="request") == 1


async def test_errors_show_the_exception(memory_serve) -> None:  # type: ignore[no-untyped-def]
    """Of handlers, of plain functions, behind middleware; with its line, without secrets."""

    class Wrong(web.RequestHandler):
        def get(self) -> None:
            raise ValueError("token=hidden is no number")

    async def plain(exchange: Exchange) -> None:
        raise KeyError("name")

    async def through(call: Call, next: Next) -> Response:
        return await next(call)

    class Refused(web.RequestHandler):
        def get(self) -> None:
            raise web.HTTPError(503)

    meter, records = Meter(), []
    application = web.Application(
        [
            ("/wrong", Wrong),
            web.Rule(web.PathMatches("/behind"), Wrong, middleware=[through]),
            ("/plain", plain),
            ("/refused", Refused),
        ]
    )
    options = meter.options(ServerOptions(access_log=records.append))
    served = await memory_serve(application, options)
    for path in ("/wrong?token=hidden", "/behind", "/plain", "/refused"):
        assert (await served.get(path)).status >= 500
    found = [(each["path"], each["error"], each["message"]) for each in meter.errors]
    assert found == [
        ("/wrong?…", "ValueError", "token=… is no number"),
        ("/behind", "ValueError", "token=… is no number"),
        ("/plain", "KeyError", "'name'"),
        ("/refused", "HTTPError", "HTTP 503: Service Unavailable"),
    ]
    places = [str(each["place"]) for each in meter.errors]
    assert all("test_metrics.py:" in place for place in places)
    assert places[0].endswith("Wrong.get") and places[2].endswith("plain")
    assert [record.failure.kind for record in records if record.failure] == [
        each["error"] for each in meter.errors
    ]
    assert "hidden" not in str([record.failure for record in records])


async def test_waits_for_threads_and_connections(nursery: trio.Nursery) -> None:
    """Pools that are gone have counted, too: counters do not fall."""
    families = Inspector(list).families

    def shown(name: str, **labels: str) -> float:
        return value(render(families()), name, **labels)

    opened = shown("tornado_client_pool_events_total", event="opened")
    waits = shown("tornado_client_pool_wait_seconds_count")
    pool: Pool[Any] = Pool(ClientLimits(max_per_origin=1))
    first, _ = pool.request("here", 0.0)
    second, _ = pool.request("here", 1.0)
    second.wake = lambda: None
    assert first.permit and shown("tornado_client_pool_waiting") == 1
    pool.gone("here", 1.3)
    assert second.permit and shown("tornado_client_pool_waiting") == 0
    for _ in range(2):
        assert shown("tornado_client_pool_events_total", event="opened") == opened + 2
        assert shown("tornado_client_pool_wait_seconds_count") == waits + 1
        assert shown("tornado_client_pool_wait_seconds_bucket", le="0.5") >= 1
        pool = None  # type: ignore[assignment]
        gc.collect()

    limiter = trio.to_thread.current_default_thread_limiter()
    before = limiter.total_tokens
    limiter.total_tokens = 1
    go_on = threading.Event()
    try:
        for _ in range(3):
            nursery.start_soon(trio.to_thread.run_sync, go_on.wait)
        await trio.testing.wait_all_tasks_blocked()
        assert shown("tornado_threads") == 1 == shown("tornado_threads_limit")
        assert shown("tornado_threads_waiting") == 2
        assert shown("tornado_tasks") > 3
    finally:
        go_on.set()
        limiter.total_tokens = before


def test_ours_in_a_registry_of_prometheus_client() -> None:
    meter = Meter()
    meter(record())
    registry = CollectorRegistry()
    registry.register(RegistryCollector(meter.families))
    text = generate_latest(registry).decode()
    assert value(text, "tornado_http_requests_total", status="200") == 1
    assert value(text, "tornado_http_request_duration_seconds_bucket", le="0.025") == 1


def test_metrics_of_the_program_are_beside_ours(tmp_path: Path) -> None:
    code = """
from prometheus_client import Counter, Gauge
from tornado_trio.observe import Inspector, render
Counter("sold", "Sold.", ["what"]).labels("tea").inc(3)
Gauge("stock", "Left.").set(7)
print(render(Inspector(lambda: [], number=2).families()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert value(done.stdout, "sold_total", what="tea") == 3
    assert value(done.stdout, "stock", worker="2") == 7


def test_the_mode_for_several_processes_is_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
from prometheus_client import Counter
Counter("sold", "Sold.").inc(3)
"""
    shown = """
import prometheus_client, trio
from tornado_trio.observe import Inspector, LocalSource, render
print(render(trio.run(LocalSource(Inspector(lambda: [])).families)))
"""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], timeout=30, check=True)
    done = subprocess.run(
        [sys.executable, "-c", shown], capture_output=True, text=True, timeout=30, check=True
    )
    assert value(done.stdout, "sold_total") == 6


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:9200", ("127.0.0.1", 9200)),
        ("[::1]:9200", ("::1", 9200)),
        (":9200", ("127.0.0.1", 9200)),
        ("9200", ("127.0.0.1", 9200)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses(text: str, found: tuple[str, int]) -> None:
    assert parse_address(text, None) == found


@pytest.mark.parametrize("text", ["", "nowhere", "127.0.0.1:x", "127.0.0.1:70000", "0.0.0.0:1"])
def test_wrong_addresses(text: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|token"):
        parse_address(text, None)


def test_others_may_look_with_a_token() -> None:
    assert parse_address("0.0.0.0:9200", "secret") == ("0.0.0.0", 9200)


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return str(answer.read().decode())


@pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="workers need a Unix system")
def test_two_workers_count_exactly(tmp_path: Path) -> None:
    """Also after one of them was replaced: what it had counted is not lost."""
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    arguments = (*SERVE, "app:app", "--workers=2", "--port=0", f"--inspect=127.0.0.1:{port}")
    with service(*arguments, cwd=tmp_path) as process:
        url = process.url()
        process.wait_for("2 workers are ready")
        for _ in range(20):
            get(url)
        text = scrape(port)
        assert value(text, "tornado_http_requests_total", status="200", route="/") == 20
        assert value(text, "tornado_workers", state="ready") == 2
        assert value(text, "tornado_http_request_duration_seconds_count") == 20
        process.popen.send_signal(1)  # SIGHUP: all are replaced
        process.wait_for("all workers are replaced")
        for _ in range(5):
            get(url)
        while value(text := scrape(port), "tornado_workers", state="stopping"):
            pass  # each look takes as long as an answer of all
        assert value(text, "tornado_http_requests_total", status="200", route="/") == 25


def test_an_address_in_use_is_one_line(tmp_path: Path) -> None:
    from tornado_trio.service.inspection import inspect_here
    from tornado_trio.service.lifetime import Service
    from tornado_trio.service.running import OwnSockets
    from tornado_trio.service.settings import Settings

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        settings = Settings(inspect=f"127.0.0.1:{sock.getsockname()[1]}")
        with pytest.raises(CannotStart, match="Address already in use"):
            inspect_here(Service(settings, OwnSockets(settings)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_root_without_proc_has_no_figure_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of an error, which would end the service that is looked at."""

    def missing(*_: object) -> None:
        raise FileNotFoundError

    assert inspecting._memory() > 1_000_000
    monkeypatch.setattr(inspecting, "open", missing, raising=False)
    assert inspecting._memory() == 0
