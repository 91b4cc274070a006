"""Makes docs/images: the page of `make demo`, and the live page of a service under a little load.

    python docs/making/pictures.py            needs Chromium

Run it again when one of the pages looks different.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.examples.chromium import Browser, Page, chromium  # noqa: E402

IMAGES = ROOT / "docs" / "images"


@contextlib.contextmanager
def program(*command: str, **environ: str) -> Iterator[int]:
    """A program of examples/, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    filled = [part.replace("PORT", str(port)) for part in command]
    env = os.environ | {name: value.replace("PORT", str(port)) for name, value in environ.items()}
    process = subprocess.Popen([sys.executable, *filled], cwd=ROOT, env=env)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def save(page: Page, name: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    data = page.call("Page.captureScreenshot", format="png")["data"]
    (IMAGES / name).write_bytes(base64.b64decode(data))


def demo(browser: Browser) -> None:
    """Two people in either chat, and two requests, of which one has lost its tab."""
    with program("-m", "examples.demo", "--port=PORT") as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            chats = re.findall(r'<iframe[^>]* src="([^"]+)"', answer.read().decode())[:2]
        page = browser.page(f"http://127.0.0.1:{port}/")
        page.resize(1200, 1080)
        for number, said in enumerate(["Written for Tornado 6.", "Not a line was changed?"], 1):
            for chat in chats:
                visitor = browser.page(chat)
                visitor.write("#name", ("Ada", "Grace")[number - 1])
                visitor.wait_for("document.getElementById('via').textContent === 'websocket'")
                visitor.write("#text", said)
                visitor.press_enter()
                visitor.wait_for(f"document.querySelectorAll('.message').length === {number}")
        for count in (1, 2):
            page.evaluate("document.getElementById('open').click()")
            page.wait_for(f"document.querySelectorAll('#list li').length === {count}")
        page.evaluate("document.querySelector('.tab button').click()")
        page.wait_for("document.querySelector('#list .gone')?.innerText.includes('0 tasks')")
        time.sleep(2)  # messages fade in
        save(page, "demo.png")


def live(browser: Browser) -> None:
    """Followers of events, whose handlers wait; one of them is looked for by its line."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        inspect = sock.getsockname()[1]
    # The page shows where code lies: no reader has that folder.
    Path("/tmp/news").mkdir(exist_ok=True)
    shutil.copy(ROOT / "examples/native/events.py", "/tmp/news/events.py")
    command = ("-m", "tornado_trio", "serve", "/tmp/news/events.py:main")
    environ = {
        "TORNADO_TRIO_PORT": "PORT",
        "TORNADO_TRIO_INSPECT": f"127.0.0.1:{inspect}",
        "PYTHONPATH": str(ROOT),
    }
    with program(*command, **environ) as port, contextlib.ExitStack() as followers:
        for _ in range(3):
            sock = socket.create_connection(("127.0.0.1", port))
            followers.callback(sock.close)
            sock.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        page = browser.page(f"http://127.0.0.1:{inspect}/")
        page.resize(1000, 480)  # down to the requests
        for _ in range(150):  # some load, so that the curves say something
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.sendall(b"GET /rows?count=2000 HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                while sock.recv(65536):
                    pass
            time.sleep(0.05)
        page.wait_for("document.querySelectorAll('#tree .row').length > 3")
        save(page, "live.png")


if __name__ == "__main__":
    with chromium() as browser:
        demo(browser)
        live(browser)
    for file in sorted(IMAGES.glob("*.png")):
        print(file.relative_to(ROOT), file.stat().st_size, "bytes")
