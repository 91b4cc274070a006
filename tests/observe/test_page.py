"""The live page in headless Chromium, over real services."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.chromium import Browser, chromium
from tests.ports import free_port
from tests.service.processes import SERVE, Process, service

from .test_metrics import scrape, value

APP = """
import trio
from tornado_trio import web, websocket


class Stuck(web.RequestHandler):
    async def get(self):
        self.write("begun")
        await self.flush()
        await wait_for_the_moon()


async def wait_for_the_moon():
    await trio.sleep_forever()


class Wrong(web.RequestHandler):
    def get(self):
        raise ZeroDivisionError


class Block(web.RequestHandler):
    def get(self):
        import time
        time.sleep(0.6)


app = web.Application([("/stuck", Stuck), ("/wrong", Wrong), ("/block", Block)])
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Process, str, int]]:
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    options = ("--port=0", f"--inspect=127.0.0.1:{port}", "--watchdog=0.2")
    with service(*SERVE, "app:app", *options, cwd=tmp_path) as process:
        yield process, process.url(), port


def ask(url: str, path: str) -> socket.socket:
    """A request whose answer is waited for as far as its first bytes."""
    port = int(url.rpartition(":")[2])
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    sock.recv(1000)
    return sock


def test_a_stuck_request_is_found_and_goes(
    browser: Browser, served: tuple[Process, str, int]
) -> None:
    process, url, port = served
    page = browser.page(f"http://127.0.0.1:{port}/")
    page.wait_for("document.querySelectorAll('#tree .row').length > 3")
    with ask(url, "/stuck?token=hidden"):
        shown = "document.body.innerText"
        page.wait_for(f"{shown}.includes('GET /stuck') && {shown}.includes('wait_for_the_moon')")
        line = 1 + APP.splitlines().index("    await trio.sleep_forever()")
        assert page.evaluate(f"{shown}.includes('app.py:{line} in wait_for_the_moon')")
        assert not page.evaluate(f"{shown}.includes('hidden')")
        page.write("#find", "the_moon")
        page.wait_for(
            "[...document.querySelectorAll('#tree .row')].at(-1)?.innerText.includes('GET /stuck')"
        )
    page.wait_for("document.getElementById('flying').textContent === '0'")
    page.wait_for(f"!{shown}.includes('wait_for_the_moon')")
    assert browser.complaints == []


def test_errors_blocks_freeze_and_keys(browser: Browser, served: tuple[Process, str, int]) -> None:
    process, url, port = served
    page = browser.page(f"http://127.0.0.1:{port}/")
    for path in ("/wrong", "/block"):
        ask(url, path).close()
    page.wait_for("document.getElementById('errors').innerText.includes('GET /wrong')")
    page.wait_for("/app.py:\\d+ in Block.get/.test(document.getElementById('blocks').innerText)")
    assert page.evaluate("document.getElementById('blocks').innerText.includes('GET /block')")
    assert value(scrape(port), "tornado_loop_blocked_total") >= 1
    process.wait_for(r"the loop was held for \d+ ms by .*app.py:\d+ in Block.get, .*GET /block")
    press = "document.dispatchEvent(new KeyboardEvent('keydown', {key: '%s', bubbles: true}))"
    page.evaluate(press % "f")
    assert page.evaluate("document.getElementById('freeze').ariaPressed") == "true"
    page.evaluate(press % "s")
    assert page.evaluate("document.getElementById('sort').value") == "age"
    page.evaluate(press % "/")
    assert page.evaluate("document.activeElement.id") == "find"
    assert browser.complaints == []


def test_phone_and_dark(browser: Browser, served: tuple[Process, str, int]) -> None:
    process, url, port = served
    page = browser.page(f"http://127.0.0.1:{port}/")
    page.wait_for("document.querySelectorAll('#tree .row').length > 3")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.resize(390, 800)
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.call("Emulation.setEmulatedMedia", features=dark)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert browser.complaints == []


def test_nothing_comes_from_elsewhere() -> None:
    import tornado_trio.observe

    text = (Path(tornado_trio.observe.__file__).parent / "page.html").read_text()
    assert "//" not in text.replace("</", "") and "src=" not in text and "@import" not in text


@pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="workers need a Unix system")
def test_one_page_for_all_workers(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    options = ("--port=0", "--workers=2", f"--inspect=127.0.0.1:{port}")
    with service(*SERVE, "app:app", *options, cwd=tmp_path) as process:
        process.wait_for("2 workers are ready")
        page = browser.page(f"http://127.0.0.1:{port}/")
        shown = "document.getElementById('tree').innerText"
        page.wait_for(f"{shown}.includes('worker 1 ') && {shown}.includes('worker 2 ')")
        assert page.evaluate("document.getElementById('workers').innerText").count("serving") == 2


def fetch(port: int, path: str, **headers: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_another_site_cannot_look_through_the_browser(served: tuple[Process, str, int]) -> None:
    _, _, port = served
    assert fetch(port, "/state") == 200
    assert fetch(port, "/state", Host="evil.example") == 403
    assert fetch(port, "/metrics", Host="localhost:9") == 200
    assert fetch(port, "/nothing") == 404


def test_with_a_token(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    options = ("--port=0", f"--inspect=0.0.0.0:{port}")
    with service(
        *SERVE, "app:app", *options, cwd=tmp_path, TORNADO_TRIO_INSPECT_TOKEN="let me"
    ) as process:
        process.url()
        assert fetch(port, "/metrics") == 401
        assert fetch(port, "/metrics?token=wrong") == 401
        assert fetch(port, "/metrics?token=let%20me") == 200
        assert fetch(port, "/tree", Authorization="Bearer let me") == 200


def test_without_a_token_others_are_not_let_in(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    with service(*SERVE, "app:app", "--port=0", "--inspect=0.0.0.0:1", cwd=tmp_path) as process:
        process.wait_for("others reach 0.0.0.0: listen on 127.0.0.1, or set a token")


def test_text_of_the_tree(served: tuple[Process, str, int]) -> None:
    _, url, port = served
    with ask(url, "/stuck"):
        address = f"http://127.0.0.1:{port}/tree?frames=1&find=moon"
        deadline = time.monotonic() + 20
        while True:
            with urllib.request.urlopen(address, timeout=20) as answer:
                text = answer.read().decode()
            if "wait_for_the_moon" in text:
                break
            assert time.monotonic() < deadline, text
        assert "GET /stuck #" in text and "in Stuck.get" in text and "in sleep_forever" in text
