"""Spans of requests served and made; the ids of both in log lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import trio
import trio.lowlevel
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tornado_trio import open_client, web
from tornado_trio.client import ClientError
from tornado_trio.client.tracing import set_tracer
from tornado_trio.client.websocket import open_websocket
from tornado_trio.log import RequestFilter
from tornado_trio.net.listeners import open_tcp_listeners
from tornado_trio.observe import tracing
from tornado_trio.server import serve
from tornado_trio.service.logs import JsonFormatter
from tornado_trio.websocket import WebSocket
from tornado_trio.websocket.tracing import set_session_tracer

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", lambda: provider.get_tracer("tests"))
    tracing.trace_client()
    tracing.trace_websockets()
    yield exporter
    set_tracer(None)
    set_session_tracer(None)


class Order(web.RequestHandler):
    async def get(self, id: str) -> None:
        await trio.lowlevel.checkpoint()
        self.write(trace.format_trace_id(trace.get_current_span().get_span_context().trace_id))


class Wrong(web.RequestHandler):
    def get(self) -> None:
        raise ZeroDivisionError


APP = web.Application([("/orders/{id}", Order), ("/wrong", Wrong)])


async def test_spans_of_a_server(memory_serve: Any, spans: InMemorySpanExporter) -> None:
    server = await memory_serve(tracing.traced(APP))
    client = await server.connect()
    first = await client.request(
        f"GET /orders/7?key=hidden HTTP/1.1\r\nHost: x\r\ntraceparent: {PARENT}\r\n\r\n".encode()
    )
    # The next request of the connection has another parent: none.
    second = await client.request(b"GET /orders/8 HTTP/1.1\r\nHost: x\r\n\r\n")
    await client.request(b"GET /wrong HTTP/1.1\r\nHost: x\r\n\r\n")
    assert first.body.decode() == TRACE != second.body.decode()
    one, two, three = spans.get_finished_spans()
    assert one.name == "GET /orders/{id}" and one.kind is trace.SpanKind.SERVER
    assert one.parent is not None and trace.format_span_id(one.parent.span_id) == PARENT[36:52]
    assert two.parent is None and two.context.trace_id != one.context.trace_id
    attributes = dict(one.attributes or {})
    assert attributes["http.request.method"] == "GET"
    assert attributes["http.route"] == "/orders/{id}"
    assert attributes["http.response.status_code"] == 200
    assert attributes["url.path"] == "/orders/7" and "hidden" not in str(attributes)
    assert three.status.status_code is trace.StatusCode.ERROR
    assert (three.attributes or {})["error.type"] == "500"


async def test_a_client_hands_its_trace_on(
    nursery: trio.Nursery, spans: InMemorySpanExporter
) -> None:
    listeners = open_tcp_listeners(0, "127.0.0.1")
    port = listeners[0].address[1]

    async def run(*, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        await serve(tracing.traced(APP), listeners=listeners, grace=0, task_status=task_status)

    await nursery.start(run)
    async with open_client() as client:
        await client.get(f"http://user:pw@127.0.0.1:{port}/orders/1?key=hidden")
        with pytest.raises(ClientError):
            await client.get("http://127.0.0.1:1/")
    nursery.cancel_scope.cancel()
    served, made, failed = sorted(  # the server's first
        spans.get_finished_spans(),
        key=lambda each: (each.kind is trace.SpanKind.CLIENT, each.end_time),
    )
    assert served.parent is not None and made.kind is trace.SpanKind.CLIENT
    assert served.parent.span_id == made.context.span_id
    assert served.context.trace_id == made.context.trace_id
    attributes = dict(made.attributes or {})
    assert attributes["url.full"] == f"http://127.0.0.1:{port}/orders/1"
    assert attributes["server.port"] == port and attributes["http.response.status_code"] == 200
    assert failed.status.status_code is trace.StatusCode.ERROR


async def test_a_websocket_has_a_span_for_its_life(
    nursery: trio.Nursery, spans: InMemorySpanExporter
) -> None:
    class Echo(web.WebSocketHandler):
        async def open(self, ws: WebSocket) -> None:
            seen.append(trace.get_current_span().get_span_context().span_id)
            async for message in ws:
                await ws.send(message)
            seen.append(trace.get_current_span().get_span_context().span_id)

    seen: list[int] = []
    listeners = open_tcp_listeners(0, "127.0.0.1")
    port = listeners[0].address[1]
    app = tracing.traced(web.Application([("/ws", Echo)]))

    async def run(*, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        await serve(app, listeners=listeners, grace=0, task_status=task_status)

    await nursery.start(run)
    async with open_websocket(f"ws://127.0.0.1:{port}/ws") as peer:
        await peer.send("hello")
        assert await peer.receive() == "hello"
    nursery.cancel_scope.cancel()
    found = spans.get_finished_spans()
    kinds = [span.kind for span in found]
    assert kinds.count(trace.SpanKind.SERVER) == 1 and kinds.count(trace.SpanKind.CLIENT) == 1
    (handshake,) = [span for span in found if span.kind is trace.SpanKind.SERVER]
    assert (handshake.attributes or {})["http.response.status_code"] == 101
    (served,) = [span for span in found if span.name == "websocket /ws"]
    (made,) = [span for span in found if span.name == "websocket"]
    assert served.parent is not None and served.parent.span_id == handshake.context.span_id
    assert seen == [served.context.span_id] * 2  # current for what the handler does
    for span in (served, made):
        attributes = dict(span.attributes or {})
        assert attributes["websocket.messages.received"] == 1
        assert attributes["websocket.messages.sent"] == 1
        assert attributes["websocket.close.code"] == 1000
        assert span.status.status_code is not trace.StatusCode.ERROR
    assert handshake.end_time is not None and served.end_time is not None
    assert handshake.end_time <= served.end_time and served.start_time >= handshake.start_time


async def test_a_conversation_that_fails(
    nursery: trio.Nursery, spans: InMemorySpanExporter
) -> None:
    """The handshake went well; what opens a websocket itself stays the span of its request."""

    class Fails(web.WebSocketHandler):
        async def open(self, ws: WebSocket) -> None:
            raise ZeroDivisionError

    class Opens(web.RequestHandler):
        async def get(self) -> None:
            async with open_websocket(f"ws://127.0.0.1:{port}/ws") as peer:
                await peer.wait_closed()
            self.write("done")

    listeners = open_tcp_listeners(0, "127.0.0.1")
    port = listeners[0].address[1]
    app = tracing.traced(web.Application([("/ws", Fails), ("/opens", Opens)]))

    async def run(*, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        await serve(app, listeners=listeners, grace=0, task_status=task_status)

    await nursery.start(run)
    async with open_client() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/opens")).text == "done"
    nursery.cancel_scope.cancel()
    found = {span.name: span for span in spans.get_finished_spans()}
    assert found["GET /opens"].attributes["http.response.status_code"] == 200  # type: ignore[index]
    assert found["GET /ws"].status.status_code is not trace.StatusCode.ERROR
    for name in ("websocket /ws", "websocket"):
        assert found[name].status.status_code is trace.StatusCode.ERROR
        assert found[name].attributes["websocket.close.code"] == 1011  # type: ignore[index]


async def test_log_lines_have_ids(memory_serve: Any, spans: InMemorySpanExporter) -> None:
    lines: list[dict[str, Any]] = []
    form = JsonFormatter(worker=1)

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(form.format(record)))

    handler = Keep()
    handler.addFilter(RequestFilter(missing=None))
    logger = logging.getLogger("tornado.access")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        server = await memory_serve(tracing.traced(APP))
        client = await server.connect()
        await client.request(
            f"GET /orders/7 HTTP/1.1\r\nHost: x\r\ntraceparent: {PARENT}\r\n\r\n".encode()
        )
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    (line,) = [each for each in lines if each["logger"] == "tornado.access"]
    assert line["trace_id"] == TRACE and line["route"] == "/orders/{id}"
    assert line["request_id"] and line["span_id"] and line["worker"] == 1


def test_lines_of_no_request_have_none() -> None:
    record = logging.makeLogRecord({"msg": "hello"})
    assert RequestFilter(missing=None).filter(record)
    assert not hasattr(record, "request_id") and not hasattr(record, "trace_id")
    assert RequestFilter().filter(record)
    assert record.request_id == record.trace_id == "-"  # type: ignore[attr-defined]
