"""Headless Chromium for tests, driven by the DevTools protocol over one websocket.

Knows: how to find and start the browser, open isolated pages, run JavaScript in them, and wait
for what they show. Knows nothing of the programs that are looked at.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
SECONDS = 20.0  # a page that needs longer than that is broken, on the slowest machine too


def find() -> str:
    """The browser's program. Without one the test is skipped; in CI it fails."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        reason = "Chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class Page:
    """A tab with cookies and storage of its own."""

    def __init__(self, browser: Browser, context: str, session: str) -> None:
        self.browser = browser
        self.context = context
        self.session = session

    def call(self, method: str, **params: Any) -> Any:
        return self.browser.call(method, self.session, **params)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression (awaited if it is a promise)."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds: float = SECONDS) -> None:
        """Until the expression is true; what the page shows is in the failure."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                value = self.evaluate(f"!!({script})")
            except AssertionError:
                value = None  # between two documents there may be nothing to ask
                if time.monotonic() > deadline:
                    raise
            if value:
                return
            if time.monotonic() > deadline:
                shown = self.evaluate("document.body.innerText")
                raise AssertionError(f"never true: {script}\nThe page shows:\n{shown}")
            time.sleep(0.05)

    def write(self, selector: str, text: str) -> None:
        """Text typed into a field, as from a keyboard."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).select()")
        self.call("Input.insertText", text=text)

    def press_enter(self) -> None:
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        self.call("Input.dispatchKeyEvent", type="keyDown", **key)
        self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )

    def reload(self) -> None:
        self.evaluate("window.before = true")
        self.call("Page.reload")
        self.wait_for("!window.before && document.readyState === 'complete'")

    def close(self) -> None:
        self.browser.pages.remove(self)
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)


class Browser:
    """The browser's end of the protocol: calls and their answers, in order."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.pages: list[Page] = []
        # What pages complained of: uncaught exceptions, errors in the console, and what could not
        # be loaded where a page's log is enabled.
        self.complaints: list[str] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> Any:
        number = next(self.numbers)
        request: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session is not None:
            request["sessionId"] = session
        self.socket.send(json.dumps(request))
        while True:
            answer = json.loads(self.socket.recv(timeout=SECONDS))
            self._listen(answer.get("method"), answer.get("params", {}))
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _listen(self, event: str | None, params: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.complaints.append(json.dumps(params["args"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(json.dumps(params["entry"]))

    def page(self, url: str) -> Page:
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)[
            "targetId"
        ]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, context, session)
        self.pages.append(page)
        page.call("Runtime.enable")
        page.call("Page.enable")
        page.call("Page.navigate", url=url)
        page.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'")
        return page

    def close_pages(self) -> None:
        while self.pages:
            self.pages[-1].close()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with an empty profile, for the block."""
    program = find()
    # It may still write to its profile while it ends.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = _address(process, Path(profile) / "DevToolsActivePort")
            with connect(address, max_size=None, compression=None) as socket:
                browser = Browser(socket)
                yield browser
                browser.call("Browser.close")
        finally:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], file: Path) -> str:
    deadline = time.monotonic() + 2 * SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"Chromium ended with status {process.returncode}"
        lines = file.read_text().split() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise AssertionError("Chromium did not open its DevTools port")


@pytest.fixture(scope="module")
def shared() -> Iterator[Browser]:
    """The browser of a module's tests; for `browser`."""
    with chromium() as found:
        yield found


@pytest.fixture
def browser(shared: Browser) -> Iterator[Browser]:
    """The browser; the pages must not have complained."""
    shared.complaints.clear()
    yield shared
    shared.close_pages()
    assert shared.complaints == []
