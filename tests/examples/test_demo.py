"""What `make demo` shows: as a process of its own, by plain HTTP and in headless Chromium."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urljoin

import pytest

from examples.demo.pages import find
from tests.ports import free_port

from .chromium import Browser, Page, browser, shared
from .programs import ROOT, environment, get

__all__ = ["browser", "shared"]

pytestmark = pytest.mark.timeout(240)

AXE = """
axe.run(document).then(found => found.violations.map(each => each.id + ": " + each.nodes
    .slice(0, 5).map(node => node.target + " " + node.failureSummary).join("; ")))
"""


@pytest.fixture(scope="module")
def demo() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.demo", f"--port={port}"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        get(url(port), 90)
        yield port
    finally:
        chats = [
            int(p) for p in re.findall(r'<iframe[^>]* src="http://[^:]*:(\d+)', get(url(port)))
        ]
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert f"The demo is at {url(port)} " in output
    assert "Traceback" not in output
    assert len(chats) == 3  # the two, and the live page; with the demo they are gone
    for other in chats:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", other), 5)


def url(port: int, path: str = "") -> str:
    return f"http://127.0.0.1:{port}/{path}"


def waits(port: int) -> list[dict[str, object]]:
    """What the page is told of requests, now."""
    with urllib.request.urlopen(url(port, "waits"), timeout=20) as answer:
        line = answer.readline().decode()
    told: list[dict[str, object]] = json.loads(line.removeprefix("data: "))
    return told


def until_newest(port: int, **expected: object) -> None:
    deadline = time.monotonic() + 60
    while not (told := waits(port)) or not expected.items() <= told[0].items():
        assert time.monotonic() < deadline, told
        time.sleep(0.1)


def test_everything_is_linked(demo: int) -> None:
    page = get(url(demo))
    assert "python -m compat examples/chat/chat.py" in page
    frames = re.findall(r'<iframe[^>]* src="([^"]+)"', page)
    tornado, native, live = map(get, frames)
    assert "Trio Chat" in tornado and "Trio Chat" in native
    assert "<title>" in live and "Trio Chat" not in live
    for source in re.findall(r'href="(/source/[^"]+)"', page):
        file = ROOT / "examples" / source.removeprefix("/source/")
        assert get(url(demo, source[1:])) == file.read_text()
    assert "404" in get(url(demo, "source/../../pyproject.toml"))
    for path in re.findall(r"<code>([\w/]+(?:\.\w+|/))</code>", page):
        assert (ROOT / path).exists(), path


def test_readme_and_docs_are_served_with_their_links(demo: int) -> None:
    """From the page on: whatever is reached by links of this host is there."""
    known, queue = set(), re.findall(r'href="(/read/[^"]*)"', get(url(demo)))
    while queue:
        path = queue.pop().partition("#")[0]
        if path in known:
            continue
        known.add(path)
        with urllib.request.urlopen(url(demo, path[1:]), timeout=20) as answer:
            if not path.endswith((".md", "/")):
                continue
            links = re.findall(r'(?:href|src)="([^"]+)"', answer.read().decode())
        queue += [urljoin(path, link) for link in links if not re.match(r"[a-z]+:|/|#", link)]
    pages = {str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")}
    assert {f"/read/{page}" for page in pages} - known == set()
    assert {"/read/LICENSE", "/read/docs/images/demo.png"} & known


@pytest.mark.parametrize("name", [".git/config", "../x", "tests/conftest.py", ".ci/run", "docs"])
def test_nothing_else_is_served(demo: int, name: str) -> None:
    assert find(name) is None
    assert "404" in get(url(demo, f"read/{quote(name, safe='')}"))


def test_a_request_ends_with_its_client(demo: int) -> None:
    with socket.create_connection(("127.0.0.1", demo), timeout=30) as client:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        until_newest(demo, state="waiting", tasks=2)
    until_newest(demo, state="gone", tasks=0)


def newest(what: str) -> str:
    return f"document.querySelector('#list li')?.{what}"


def test_tabs_in_the_page(browser: Browser, demo: int) -> None:
    page = browser.page(url(demo))
    page.call("Log.enable")
    page.evaluate("document.getElementById('open').click()")
    page.wait_for(newest("classList.contains('waiting')"), 60)
    page.wait_for(f"{newest('innerText')}.includes('waits, with 2 tasks')", 60)
    number = page.evaluate(newest("dataset.number"))
    page.evaluate("document.querySelector('.tab button').click()")
    page.wait_for(newest("classList.contains('gone')"), 60)
    page.wait_for(f"{newest('innerText')}.includes('0 tasks left')", 60)
    assert page.evaluate(newest("dataset.number")) == number


def test_both_chats_are_live(browser: Browser, demo: int) -> None:
    """The frames have their websockets; `present` is what each chat says of itself."""
    page = browser.page(url(demo))
    page.call("Log.enable")
    frames = re.findall(r'<iframe[^>]* src="([^"]+)"', get(url(demo)))
    for frame in frames[:2]:
        deadline = time.monotonic() + 60
        while not re.search(r'id="present">1<', get(frame)):
            assert time.monotonic() < deadline, get(frame)
            time.sleep(0.1)
    page.evaluate("document.querySelector('.tree').scrollIntoView()")


def looked_at(page: Page, width: int) -> None:
    """It fits, and axe has nothing against it."""
    if not os.environ.get("CI"):
        pytest.importorskip("axe_core_python", reason="axe-core is not installed")
    import axe_core_python

    script = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.evaluate(f"{script}; null")
    found = page.evaluate(AXE)
    assert found == [], "\n".join(found)


def sized(browser: Browser, address: str, width: int, scheme: str) -> Page:
    page = browser.page(address)
    page.resize(width, 900)
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    page.call("Emulation.setEmulatedMedia", features=media)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_overflows_and_axe_is_content(
    browser: Browser, demo: int, width: int, scheme: str
) -> None:
    page = sized(browser, url(demo), width, scheme)
    page.evaluate("document.getElementById('open').click()")
    page.wait_for(newest("classList.contains('waiting')"), 60)
    looked_at(page, width)
    page.call("Page.navigate", url=url(demo, "read/README.md"))
    page.wait_for("document.readyState === 'complete' && document.querySelector('.shown')")
    looked_at(page, width)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("frame", [0, 1, 2], ids=["tornado", "native", "live"])
def test_so_do_the_pages_in_it(
    browser: Browser, demo: int, width: int, scheme: str, frame: int
) -> None:
    """axe does not see into frames of another address."""
    addresses = re.findall(r'<iframe[^>]* src="([^"]+)"', get(url(demo)))
    page = sized(browser, addresses[frame], width, scheme)
    page.wait_for("document.readyState === 'complete' && document.querySelector('main')")
    looked_at(page, width)
