"""Tracing, error reports and structured logs, by the libraries that programs use for them.

They keep what belongs to a request in contextvars, and patch Tornado's handlers: each runs as a
program of its own, three requests on one connection.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ..python import python

PROGRAM = """
import asyncio, http.client, json, logging, socket
{imports}
import tornado.gen, tornado.httpserver, tornado.netutil, tornado.web
logging.basicConfig(level=logging.CRITICAL)
{handlers}
async def main():
    application = tornado.web.Application([(r"/(.*)", Handler)])
    server = tornado.httpserver.HTTPServer(application)
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    def client():
        connection = http.client.HTTPConnection(*sockets[0].getsockname())
        answers = []
        for path in ("/alice", "/bob", "/carol"):
            connection.request("GET", path)
            answers.append(connection.getresponse().read().decode())
        connection.close()
        return answers
    answers = await asyncio.get_running_loop().run_in_executor(None, client)
    server.stop()
    await server.close_all_connections()
    return answers

answers = asyncio.run(main())
print(json.dumps({result}))
"""

NATIVE = """
class Handler(Base):
    async def prepare(self):
        await asyncio.sleep(0)
        self.begin()
    async def get(self, name):
        await asyncio.sleep(0.001)
        await self.work(name)
"""
GENERATOR = """
class Handler(Base):
    def prepare(self):
        self.begin()
    @tornado.gen.coroutine
    def get(self, name):
        yield tornado.gen.sleep(0.001)
        yield self.work(name)
"""
both = pytest.mark.parametrize("handler", [NATIVE, GENERATOR], ids=["native", "generator"])


def run(folder: Path, imports: str, base: str, handler: str, result: str) -> Any:
    program = folder / "program.py"
    program.write_text(
        PROGRAM.format(
            imports=textwrap.dedent(imports),
            handlers=textwrap.dedent(base) + handler,
            result=result,
        )
    )
    done = python("-m", "compat", program)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@both
def test_opentelemetry(tmp_path: Path, handler: str) -> None:
    """Every span has the span of its own request at its root."""
    spans = run(
        tmp_path,
        """
        from opentelemetry import trace
        from opentelemetry.instrumentation.tornado import TornadoInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        TornadoInstrumentor().instrument()  # it looks for the distribution "tornado"
        tracer = trace.get_tracer("program")
        def tree():
            spans = exporter.get_finished_spans()
            parents = {span.context.span_id: span for span in spans}
            def path(span):
                parent = parents[span.parent.span_id] if span.parent else None
                assert parent is None or parent.context.trace_id == span.context.trace_id
                return [span.name] + (path(parent) if parent else [])
            return [path(span) for span in spans]
        """,
        """
        class Base(tornado.web.RequestHandler):
            def begin(self):
                pass
            async def work(self, name):
                with tracer.start_as_current_span("work for " + name):
                    await asyncio.sleep(0.001)
                    with tracer.start_as_current_span("query for " + name):
                        await asyncio.sleep(0)
                self.write(name)
        """,
        handler,
        "tree()",
    )
    expected = []
    for name in ("alice", "bob", "carol"):
        request = f"GET /{name}"
        work, query = f"work for {name}", f"query for {name}"
        expected += [[query, work, request], [work, request], [request]]
    assert [path[:-1] for path in spans] == [path[:-1] for path in expected]
    assert all(path[-1].startswith("GET /") for path in spans)


@both
def test_sentry(tmp_path: Path, handler: str) -> None:
    """Messages and errors carry the URL and the tags of their own request."""
    events = run(
        tmp_path,
        """
        import sentry_sdk
        from sentry_sdk.integrations.tornado import TornadoIntegration
        events = []
        class Transport(sentry_sdk.transport.Transport):
            def capture_envelope(self, envelope):
                events.extend(e for e in (i.get_event() for i in envelope.items) if e)
        sentry_sdk.init(
            dsn="http://key@127.0.0.1:9/1", transport=Transport,
            integrations=[TornadoIntegration()], default_integrations=False,
        )
        def told():
            return [
                [
                    e.get("message") or e["exception"]["values"][-1]["type"],
                    e["request"]["url"].rpartition("/")[2],
                    e["tags"],
                ]
                for e in events
            ]
        """,
        """
        class Base(tornado.web.RequestHandler):
            def begin(self):
                sentry_sdk.set_tag("user", self.path_args[0])
            async def work(self, name):
                await asyncio.sleep(0.001)
                sentry_sdk.capture_message("hello")
                await asyncio.sleep(0.001)
                raise ZeroDivisionError(name)
        """,
        handler,
        "told()",
    )
    assert events == [
        [what, name, {"user": name}]
        for name in ("alice", "bob", "carol")
        for what in ("hello", "ZeroDivisionError")
    ]


@both
def test_structlog(tmp_path: Path, handler: str) -> None:
    """What is bound for a request is in its lines and in no other's."""
    lines = run(
        tmp_path,
        """
        import structlog
        from structlog.contextvars import bind_contextvars, get_contextvars, merge_contextvars
        lines = []
        def keep(logger, method, event):
            lines.append([event.pop("event"), event])
            raise structlog.DropEvent
        structlog.configure(processors=[merge_contextvars, keep])
        log = structlog.get_logger()
        """,
        """
        class Base(tornado.web.RequestHandler):
            def begin(self):
                log.info("begins")
                bind_contextvars(user=self.path_args[0])
            async def work(self, name):
                log.info("works")
                await asyncio.sleep(0.001)
                bind_contextvars(step=2)
                await asyncio.sleep(0.001)
                log.info("worked")
            def on_finish(self):
                log.info("finished")
        """,
        handler,
        "lines",
    )
    stepped = {"step": 2} if handler == NATIVE else {}  # a yielded coroutine is a task of its own
    assert lines == [
        line
        for name in ("alice", "bob", "carol")
        for line in (
            ["begins", {}],
            ["works", {"user": name}],
            ["worked", {"user": name, "step": 2}],
            ["finished", {"user": name, **stepped}],
        )
    ]
