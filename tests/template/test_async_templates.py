"""Templates that await: which ones do, what they put out, and when."""

import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import trio
import trio.testing

from tornado_trio.template import DictLoader, Template


async def double(value: int) -> int:
    await trio.sleep(1)
    return value * 2


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await trio.sleep(1)
        yield number


@pytest.mark.parametrize(
    "source",
    [
        "{{ await double(2) }}",
        "{% await double(2) %}",
        "{% raw await double(2) %}",
        "{% set x = await double(2) %}",
        "{% if await double(2) %}{% end %}",
        "{% if 0 %}{% elif await double(2) %}{% end %}",
        "{% for x in await double(2) %}{% end %}",
        "{% async for x in numbers(2) %}{% end %}",
        "{{ [x async for x in numbers(2)] }}",
        "{% apply str %}{{ await double(2) }}{% end %}",
    ],
)
def test_templates_that_await(source: str) -> None:
    template = Template(source)
    assert template.asynchronous
    with pytest.raises(TypeError, match="generate_async"):
        template.generate()


@pytest.mark.parametrize(
    "source", ["await {{ 'await' }}", "{{ 1 # await\n}}", "{% set await_ = 1 %}", "{# await #}"]
)
def test_templates_that_only_mention_it(source: str) -> None:
    assert not Template(source).asynchronous


def test_await_needs_something() -> None:
    with pytest.raises(Exception, match="await missing expression"):
        Template("{% await %}")
    with pytest.raises(Exception, match="async must be followed by for"):
        Template("{% async with x %}{% end %}")


async def test_output(autojump_clock: trio.testing.MockClock) -> None:
    loader = DictLoader(
        {
            "base": "<{% block body %}{% end %}>",
            "page": "{% extends base %}{% block body %}{% async for i in numbers(3) %}"
            "{% if i == 1 %}{% continue %}{% end %}{{ await double(i) }},{% else %}end"
            "{% end %}{% apply up %}[{{ await double(n) }}a{{ name }}]{% end %}{% end %}",
        }
    )
    page = loader.load("page")

    def up(value: bytes) -> str:
        return value.decode().upper()

    variables = {"double": double, "numbers": numbers, "n": 5, "name": "<b>", "up": up}
    assert await page.generate_async(**variables) == b"<0,4,end[10A&LT;B&GT;]>"


async def test_a_plain_template_may_be_run_so_too() -> None:
    template = Template("{{ n }}")
    assert await template.generate_async(n=1) == b"1"
    assert [chunk async for chunk in template.stream(n=1)] == [b"1"]


async def test_what_is_ready_is_sent_before_each_wait(
    autojump_clock: trio.testing.MockClock,
) -> None:
    source = (
        "head {{ await double(1) }} middle {% async for i in numbers(2) %}{{ i }};{% end %} end"
    )
    start = trio.current_time()
    stream = Template(source).stream(double=double, numbers=numbers)
    seen = [(round(trio.current_time() - start), chunk) async for chunk in stream]
    assert seen == [(0, b"head "), (1, b"2 middle "), (2, b"0;"), (3, b"1;"), (3, b" end")]


async def test_cancelling_runs_finally(autojump_clock: trio.testing.MockClock) -> None:
    events: list[str] = []
    source = "{% try %}a{% await sleep() %}b{% finally %}{% set done() %}{% end %}"
    template = Template(source)
    variables = {"sleep": trio.sleep_forever, "done": lambda: events.append("done")}
    with trio.move_on_after(1) as scope:
        await template.generate_async(**variables)
    assert scope.cancelled_caught
    assert events == ["done"]


async def test_leaving_a_stream_early_runs_finally() -> None:
    events: list[str] = []
    source = "{% try %}a{% await wait() %}b{% finally %}{% set done() %}{% end %}"
    variables = {"wait": trio.lowlevel.checkpoint, "done": lambda: events.append("done")}
    async with aclosing(Template(source).stream(**variables)) as chunks:
        async for chunk in chunks:
            assert chunk == b"a"
            break
    assert events == ["done"]


async def test_errors_show_the_line() -> None:
    template = Template("\n\n{{ await fail() }}", name="t.html")

    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no") as info:
        await template.generate_async(fail=fail)
    assert "# t.html:3" in "".join(traceback.format_exception(info.value))
