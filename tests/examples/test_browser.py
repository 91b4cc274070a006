"""The chat in a real browser: headless Chromium, two people, over the overlay.

Skipped where there is no Chromium; with CI set in the environment that is a failure.
"""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import uuid

import pytest

from tests.brokers import redis_url

from .chromium import Browser, Page, browser, shared
from tests.ports import free_port
from .programs import get, running
from .redis_room import URL, room

__all__ = ["browser", "redis_url", "room", "shared"]


def via(page: Page, how: str, present: int | None = None) -> None:
    page.wait_for(f"document.getElementById('via').textContent === '{how}'")
    if present is not None:
        page.wait_for(f"document.getElementById('present').textContent === '{present}'")


def enter(browser: Browser, port: int, name: str, query: str = "") -> Page:
    page = browser.page(f"http://127.0.0.1:{port}/{query}")
    page.write("#name", name)
    return page


def say(page: Page, text: str) -> None:
    page.write("#text", text)
    page.press_enter()


def sees(page: Page, name: str, text: str, mine: bool = False) -> None:
    """The last message on the page, and only there."""
    page.wait_for(
        f"[...document.querySelectorAll('.message .body')].at(-1)?.textContent === '{text}'"
    )
    last = "[...document.querySelectorAll('.message')].at(-1)"
    assert page.evaluate(f"{last}.dataset.name") == name
    assert page.evaluate(f"{last}.classList.contains('mine')") == mine
    bodies = page.evaluate("[...document.querySelectorAll('.body')].map(each => each.textContent)")
    assert bodies.count(text) == 1


def converse(ada: Page, grace: Page) -> None:
    say(ada, "Hello <b>Grace</b> & all")
    sees(ada, "Ada", "Hello <b>Grace</b> & all", mine=True)
    sees(grace, "Ada", "Hello <b>Grace</b> & all")
    say(grace, "坐看云起时")
    sees(grace, "Grace", "坐看云起时", mine=True)
    sees(ada, "Grace", "坐看云起时")
    assert ada.evaluate("document.getElementById('text').value") == ""


def test_two_pages_talk(browser: Browser) -> None:
    port = free_port()
    with running("chat/chat.py", f"--port={port}"):
        get(f"http://127.0.0.1:{port}/")
        ada, grace = enter(browser, port, "Ada"), enter(browser, port, "Grace")
        via(ada, "websocket", present=2)
        via(grace, "websocket", present=2)
        converse(ada, grace)
        # What the template makes is what the script made.
        grace.reload()
        sees(grace, "Grace", "坐看云起时", mine=True)
        via(grace, "websocket", present=2)
        grace.close()
        via(ada, "websocket", present=1)


@pytest.mark.parametrize("width", [1280, 390])
def test_everything_is_in_sight(browser: Browser, width: int) -> None:
    """On a desk and on a phone, with many messages and one that has no spaces."""
    port = free_port()
    with running("chat/chat.py", f"--port={port}"):
        get(f"http://127.0.0.1:{port}/")
        page = enter(browser, port, "Ada")
        page.resize(width, 800)
        via(page, "websocket")
        for number in range(15):
            say(page, f"message {number} " + "long" * 100)
        last = "[...document.querySelectorAll('.message')].at(-1)"
        page.wait_for(f"{last}?.textContent.includes('message 14')")
        for part in (last, "document.getElementById('text')", "document.querySelector('button')"):
            left, top, right, bottom = page.evaluate(
                f"(box => [box.left, box.top, box.right, box.bottom])"
                f"({part}.getBoundingClientRect())"
            )
            assert 0 <= left < right <= width, part
            assert 0 <= top < bottom <= 800, part
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_server_restarts(browser: Browser) -> None:
    port = free_port()
    with running("chat/chat.py", f"--port={port}"):
        get(f"http://127.0.0.1:{port}/")
        ada, grace = enter(browser, port, "Ada"), enter(browser, port, "Grace")
        via(ada, "websocket", present=2)
        converse(ada, grace)
    via(ada, "reconnecting")
    say(ada, "Is anybody there?")
    # It could not be sent, and is not lost.
    ada.wait_for("document.getElementById('text').value === 'Is anybody there?'")
    with running("chat/chat.py", f"--port={port}"):
        via(ada, "websocket", present=2)
        via(grace, "websocket", present=2)
        ada.press_enter()
        sees(ada, "Ada", "Is anybody there?", mine=True)
        sees(grace, "Ada", "Is anybody there?")


def test_long_polling(browser: Browser) -> None:
    port = free_port()
    with running("chat/chat.py", f"--port={port}"):
        get(f"http://127.0.0.1:{port}/")
        ada, grace = (
            enter(browser, port, "Ada"),
            enter(browser, port, "Grace", "?transport=polling"),
        )
        via(ada, "websocket", present=2)
        say(ada, "first")
        sees(grace, "Ada", "first")
        via(grace, "long polling")
        converse(ada, grace)


def test_processes(browser: Browser, room: str) -> None:
    """Each page has a process of its own to talk to; they meet in Redis."""
    ports = [free_port(), free_port()]
    common = (f"--room={room}", f"--redis={URL}", "--processes=1")
    with (
        running("chat_cluster/cluster.py", f"--port={ports[0]}", *common),
        running("chat_cluster/cluster.py", f"--port={ports[1]}", *common),
    ):
        for port in ports:
            get(f"http://127.0.0.1:{port}/")
        ada, grace = enter(browser, ports[0], "Ada"), enter(browser, ports[1], "Grace")
        via(ada, "websocket", present=2)
        via(grace, "websocket", present=2)
        converse(ada, grace)


def test_native_twin(browser: Browser, redis_url: str) -> None:
    """The same page over the native chat, by both transports, in two processes."""
    ports = [free_port(), free_port()]
    common = (f"--room={uuid.uuid4().hex}", f"--rooms={redis_url}")
    with (
        running("native/chat.py", f"--port={ports[0]}", *common, overlay=False),
        running("native/chat.py", f"--port={ports[1]}", *common, overlay=False),
    ):
        for port in ports:
            get(f"http://127.0.0.1:{port}/")
        ada = enter(browser, ports[0], "Ada")
        grace = enter(browser, ports[1], "Grace", "?transport=polling")
        via(ada, "websocket", present=2)
        say(ada, "first")
        sees(grace, "Ada", "first")
        via(grace, "long polling")
        converse(ada, grace)
