"""Spans of conversations by Tornado's own API: the same as native ones have."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tornado.testing import AsyncHTTPTestCase, ExpectLog, gen_test
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from tornado_trio.observe import tracing
from tornado_trio.websocket.tracing import set_session_tracer

EXPORTER = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))
TRACER = PROVIDER.get_tracer("tests")


@pytest.fixture(autouse=True)
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tracing, "_tracer", lambda: TRACER)
    EXPORTER.clear()
    tracing.trace_websockets()
    yield
    set_session_tracer(None)


class Instrumented(WebSocketHandler):
    """With a span around its handshake that ends with it, as the community's package makes one."""

    def prepare(self) -> None:
        self.span = TRACER.start_span("handshake")
        self.token = context.attach(trace.set_span_in_context(self.span))

    def on_finish(self) -> None:
        context.detach(self.token)
        self.span.end()

    def current(self) -> str:
        return trace.format_span_id(trace.get_current_span().get_span_context().span_id)


class Echo(Instrumented):
    def open(self) -> None:
        self.opened = self.current()

    def on_message(self, message: Any) -> Any:
        return self.write_message(f"{self.opened} {self.current()}")


class FailsInOpen(Instrumented):
    def open(self) -> None:
        raise ZeroDivisionError


class FailsInMessage(Instrumented):
    async def on_message(self, message: Any) -> None:
        raise ZeroDivisionError


def spans() -> tuple[ReadableSpan, ReadableSpan, ReadableSpan]:
    """Of the handshake, of the server's conversation, and of the client's."""
    found = EXPORTER.get_finished_spans()
    (handshake,) = [span for span in found if span.name == "handshake"]
    conversations = [span for span in found if span.name == "websocket"]
    (served,) = [span for span in conversations if span.parent is not None]
    (made,) = [span for span in conversations if span.parent is None]
    return handshake, served, made


class Conversations(AsyncHTTPTestCase):
    def get_app(self) -> Application:
        return Application([("/", Echo), ("/open", FailsInOpen), ("/message", FailsInMessage)])

    async def conversation(self, path: str, *messages: str) -> Any:
        peer = await websocket_connect(f"ws://127.0.0.1:{self.get_http_port()}{path}")
        answer: Any = ""
        last: Any = None
        for message in messages:
            await peer.write_message(message)
            answer = await peer.read_message()
        if messages and answer is not None:
            peer.close(1000)
        while answer is not None:
            last, answer = answer, await peer.read_message()
        return last

    @gen_test
    async def test_one_that_goes_well(self) -> None:
        answer = await self.conversation("/", "a", "b")
        handshake, served, made = spans()
        assert served.parent is not None and served.context is not None
        assert handshake.context is not None
        assert served.parent.span_id == handshake.context.span_id
        # current for what the handler does
        assert answer.split() == [trace.format_span_id(served.context.span_id)] * 2
        for span in (served, made):
            attributes = dict(span.attributes or {})
            assert attributes["websocket.messages.received"] == 2
            assert attributes["websocket.messages.sent"] == 2
            assert attributes["websocket.messages.dropped"] == 0
            assert attributes["websocket.close.code"] == 1000
            assert span.status.status_code is not trace.StatusCode.ERROR
        assert handshake.end_time is not None and served.end_time is not None
        assert handshake.end_time <= served.end_time

    @gen_test
    async def test_handlers_that_fail(self) -> None:
        for path, messages in (("/open", ()), ("/message", ("a",))):
            EXPORTER.clear()
            with ExpectLog("tornado.application", "Uncaught exception"):
                await self.conversation(path, *messages)
            _, served, _ = spans()
            assert served.status.status_code is trace.StatusCode.ERROR
            assert (served.attributes or {})["error.type"] == "ZeroDivisionError"
