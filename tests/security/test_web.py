"""The framework against hostile requests, and hostile values in its responses."""

from __future__ import annotations

import logging
import time

import pytest
from trio.testing import MockClock

from tests.web.support import fetch, get
from tornado_trio.testing import memory_server
from tornado_trio.web import Application, HTTPError, RequestHandler
from tornado_trio.web.stock import RedirectHandler

FORM = {"Content-Type": "multipart/form-data; boundary=x"}


class Reader(RequestHandler):
    """Looks at everything a request may bring along."""

    def get(self) -> None:
        self.write(
            {
                "cookies": sorted(self.cookies),
                "a": self.get_cookie("a", ""),
                "signed": bool(self.get_signed_cookie("a")),
                "arguments": len(self.request.arguments),
                "languages": self.get_browser_locale().code,
            }
        )

    post = get


READER = Application([("/.*", Reader)], cookie_secret="secret")


@pytest.mark.parametrize(
    "cookie",
    [
        "; ".join(f"bad name{n}=1" for n in range(500)),
        "; ".join(f"[{n}]=1" for n in range(500)),
        'a="' + "\\" * 30_000,
        "a=2|1:0|" + "9" * 20_000,
        "a=" + "|" * 30_000,
        ";" * 30_000,
        "=" * 30_000,
        "\xff" * 30_000,
    ],
)
async def test_bad_cookies_flood_no_log(cookie: str, caplog: pytest.LogCaptureFixture) -> None:
    """CVE-2025-69230 of aiohttp: one line at most, however many are bad; and no 500."""
    caplog.set_level(logging.INFO)
    start = time.process_time()
    response = await fetch(READER, headers={"Cookie": cookie})
    assert response.code == 200
    assert len([r for r in caplog.records if r.name != "tornado.access"]) <= 1
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "body",
    [
        b"--x\r\n\r\n" * 10_000,
        b"--x\r\nbad\r\n\r\nv\r\n" * 10_000 + b"--x--",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 10_000 + b"--x--",
        b"--x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n--x--",
        b'--x\r\nContent-Disposition: form-data; name="' + b"n" * 200_000 + b'"\r\n\r\n\r\n--x--',
    ],
    ids=["no heads", "bad heads", "too many", "a long head", "a long name"],
)
async def test_bad_forms_are_one_line(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """CVE-2025-47287: one error, one line beside that of the access log."""
    caplog.set_level(logging.INFO)
    response = await fetch(READER, "/", "POST", FORM, body)
    assert response.code == 400
    assert len([r for r in caplog.records if r.name != "tornado.access"]) <= 1
    assert len(caplog.records) <= 2
    assert all(len(record.getMessage()) < 500 for record in caplog.records)


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept-Language": "a," * 15_000},
        {"Accept-Language": "en;q=" + "9" * 30_000},
        {"Accept-Encoding": "gzip;q=" + "0" * 30_000},
        {"Accept-Encoding": "," * 30_000},
        {"If-None-Match": 'W/"' * 10_000},
        {"If-None-Match": '"a",' * 7_000},
        {"Range": "bytes=" + "0-1," * 7_000},
        {"Content-Type": "multipart/form-data; boundary=" + ";" * 30_000},
        {"Content-Type": 'multipart/form-data; x="' + "\\;" * 15_000},
        {"X-Forwarded-For": "1.2.3.4," * 4_000},
        {"If-Modified-Since": "Mon, " * 6_000},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_fields_cost_linear_time(headers: dict[str, str]) -> None:
    app = Application([("/.*", Reader)], cookie_secret="s", compress_response=True)
    start = time.process_time()
    response = await fetch(app, "/", "POST", headers, b"")
    assert response.code in (200, 400)
    assert time.process_time() - start < 1


async def test_a_redirect_has_no_page_to_script() -> None:
    """CVE-2024-41810 of Twisted: its redirect page quoted the URL as it was."""
    target = "/x?<script>alert(1)</script>"

    class Go(RequestHandler):
        def get(self) -> None:
            self.redirect(target)

    for app in (
        Application([("/", Go)]),
        Application([("/", RedirectHandler, {"url": target})]),
    ):
        response = await fetch(app)
        assert response.code in (301, 302) and b"script" not in response.body


async def test_error_pages_escape() -> None:
    class Fail(RequestHandler):
        def get(self) -> None:
            raise HTTPError(400, "log <b>%s</b>", "x", reason="no <b> here")

    response = await get(Fail)
    assert response.code == 400 and b"<b>" not in response.body


async def test_reasons_cannot_inject() -> None:
    """CVE-2025-67724, where a handler sets one itself."""

    class Fail(RequestHandler):
        def get(self) -> None:
            for bad in ("a\r\nX: y", "a\nb", "a\rb", "a\x00", "a\x7f", "\x1b"):
                try:
                    self.set_status(200, bad)
                    self.flush()
                except Exception:  # any refusal will do
                    continue
                raise AssertionError(bad)
            self.set_status(200, "fine")

    async with memory_server(Application([("/", Fail)])) as server:
        client = await server.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await client.rest()
    head = answer.partition(b"\r\n\r\n")[0]
    assert b"\r\nX: y" not in head and b"\x00" not in head and head.count(b"\n") < 12


@pytest.mark.parametrize("host", ["a/b", "u@a", "a b", "a:x", "<x>", "a\\b"])
async def test_a_bad_host_reaches_no_handler(host: str, autojump_clock: MockClock) -> None:
    """CVE-2026-48710: no URL is ever rebuilt from it."""

    class Show(RequestHandler):
        def get(self) -> None:
            self.write(self.request.full_url())

    response = await fetch(Application([("/", Show)]), headers={"Host": host})
    assert response.code == 400 and host.encode() not in response.body
