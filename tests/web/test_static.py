"""Static files: where they may lie, validators, ranges, versions, big files."""

from __future__ import annotations

import hashlib
import logging
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tornado_trio.web import Application, HTTPError, RequestHandler, StaticFileHandler
from tornado_trio.web.static import CHUNK, THREAD_SIZE

from .support import fetch

TEXT = b"User-agent: *\nDisallow: /\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    (root / "dir").mkdir(parents=True)
    (root / "robots.txt").write_bytes(TEXT)
    (root / "dir" / "index.html").write_bytes(b"index")
    (root / "a b&\u00e9.txt").write_bytes(b"odd name")
    (tmp_path / "secret.txt").write_bytes(b"SECRET")
    (tmp_path / "static_foo.txt").write_bytes(b"SECRET")
    return root


def app(root: Path, **kwargs: Any) -> Application:
    return Application([("/static/(.*)", StaticFileHandler, {"path": str(root), **kwargs})])


async def get(root: Path, path: str, headers: dict[str, str] | None = None, **kwargs: Any) -> Any:
    return await fetch(app(root, **kwargs), path, headers=headers)


# --- what is served ---------------------------------------------------------------------------


async def test_a_file(root: Path) -> None:
    response = await get(root, "/static/robots.txt")
    assert (response.code, response.body) == (200, TEXT)
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["Content-Length"] == "26"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Etag"] == f'"{hashlib.sha512(TEXT).hexdigest()}"'
    assert "Last-Modified" in response.headers and "Cache-Control" not in response.headers


async def test_head(root: Path) -> None:
    response = await fetch(app(root), "/static/robots.txt", "HEAD")
    assert response.body == b"" and response.headers["Content-Length"] == "26"


@pytest.mark.parametrize("end", ["/", "//", "/.", "/x/../"])
async def test_a_file_is_no_directory(root: Path, end: str) -> None:
    assert (await get(root, "/static/robots.txt" + end)).code == 404
    assert (await get(root, "/static/robots.txt" + end, default_filename="index.html")).code == 404
    assert (await get(root, "/static/dir" + end, default_filename="index.html")).code in (200, 301)


async def test_a_file_instead_of_a_missing_one(root: Path) -> None:
    class OnePage(StaticFileHandler):
        def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
            try:
                return super().validate_absolute_path(root, absolute_path)
            except HTTPError:
                return super().validate_absolute_path(root, os.path.join(root, "robots.txt"))

    pages = Application([("/(.*)", OnePage, {"path": str(root)})])
    for path in ("/a/route/", "/robots.txt"):
        assert (await fetch(pages, path)).body == TEXT


async def test_versions_are_cached_for_long(root: Path) -> None:
    response = await get(root, "/static/robots.txt?v=1")
    assert response.headers["Cache-Control"] == "max-age=315360000"
    assert "Expires" in response.headers


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.xml", {"text/xml", "application/xml"}),
        ("x.xml.gz", {"application/gzip"}),
        ("x.xml.bz2", {"application/octet-stream"}),
        ("x.unknown-thing", {"application/octet-stream"}),
    ],
)
async def test_content_types(root: Path, name: str, expected: set[str]) -> None:
    (root / name).write_bytes(b"")
    assert (await get(root, "/static/" + name)).headers["Content-Type"] in expected


async def test_names_are_decoded_once(root: Path) -> None:
    assert (await get(root, "/static/a%20b&%C3%A9.txt")).body == b"odd name"
    assert (await get(root, "/static/a%2520b&%C3%A9.txt")).code == 404
    assert (await get(root, "/static/dir%2Findex.html")).body == b"index"
    assert (await get(root, "/static/%ff")).code == 400


async def test_default_filename(root: Path) -> None:
    response = await get(root, "/static/dir/", default_filename="index.html")
    assert response.body == b"index"
    response = await get(root, "/static/dir", default_filename="index.html")
    assert (response.code, response.headers["Location"]) == (301, "/static/dir/")
    assert (await get(root, "/static/dir/")).code == 403
    (root / "empty").mkdir()
    assert (await get(root, "/static/empty/", default_filename="index.html")).code == 404


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
async def test_files_of_all_sizes(root: Path, size: int) -> None:
    content = os.urandom(size)
    (root / "big").write_bytes(content)
    response = await get(root, "/static/big")
    assert response.body == content
    response = await get(root, "/static/big", {"Range": f"bytes=1-{size - 2}"})
    assert response.body == content[1:-1]


async def test_settings_make_the_routes(root: Path) -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.write(self.static_url("robots.txt", include_host=self.get_argument("h", "") != ""))

    made = Application([("/page", Page)], static_path=str(root))
    assert (await fetch(made, "/robots.txt")).body == TEXT
    assert (await fetch(made, "/static/robots.txt")).body == TEXT
    assert (await fetch(made, "/favicon.ico")).code == 404
    url = (await fetch(made, "/page")).body.decode()
    assert url == "/static/robots.txt?v=" + hashlib.sha512(TEXT).hexdigest()
    assert (await fetch(made, url)).body == TEXT
    assert (await fetch(made, "/page?h=1")).body.decode() == "http://test.local" + url


async def test_static_url_needs_its_setting() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            with pytest.raises(Exception, match="static_path"):
                self.static_url("x")

    assert (await fetch(Application([("/", Page)]))).code == 200


# --- what is not ------------------------------------------------------------------------------

TRAVERSALS = [
    "../secret.txt",
    "../static_foo.txt",
    "..%2fsecret.txt",
    "..%2Fstatic_foo.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "dir/../../secret.txt",
    "dir/%2e%2e/%2e%2e/secret.txt",
    "./../secret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "//etc/passwd",
    "..",
    "../",
    "../static/../secret.txt",
]


@pytest.mark.parametrize("path", TRAVERSALS)
async def test_nothing_outside_is_served(root: Path, path: str) -> None:
    response = await get(root, "/static/" + path)
    assert response.code == 403
    assert b"SECRET" not in response.body and b"root:" not in response.body


@pytest.mark.parametrize(
    "path",
    ["..%5csecret.txt", "..%c0%afsecret.txt", "%252e%252e%252fsecret.txt", "....//secret.txt"],
)
async def test_odd_encodings_find_nothing(root: Path, path: str) -> None:
    assert (await get(root, "/static/" + path)).code in (400, 404)


async def test_existence_outside_is_not_told(root: Path) -> None:
    codes = {
        (await get(root, "/static/" + path)).code
        for path in ("../secret.txt", "../no-such-file", "../static_foo.txt/x")
    }
    assert codes == {403}


@pytest.mark.parametrize("path", ["%00", "robots.txt%00", "robots.txt%00.html", "dir%00/x"])
async def test_nul_is_not_found(root: Path, path: str) -> None:
    assert (await get(root, "/static/" + path)).code == 404


async def test_names_too_long_are_not_found(root: Path) -> None:
    assert (await get(root, "/static/" + "x" * 5000)).code == 404
    assert (await get(root, "/static/robots.txt/x")).code == 404


async def test_a_root_of_everything(root: Path) -> None:
    response = await get(Path("/"), "/static" + urllib.parse.quote(str(root / "robots.txt")))
    assert response.body == TEXT


async def test_a_path_does_not_forge_log_lines(root: Path, caplog: Any) -> None:
    for path in ("/static/..%0a%1b[31m/../../x", "/static/dir%0a%9b/../dir"):
        await get(root, path)
    for record in caplog.records:
        assert record.getMessage().isprintable()
    assert any("\\n" in record.getMessage() for record in caplog.records)


async def test_special_files_are_not_opened(root: Path) -> None:
    os.mkfifo(root / "fifo")
    assert (await get(root, "/static/fifo")).code == 403


@pytest.mark.parametrize("path", ["//evil.com/..", "/\\evil.com/..", "///evil.com/.."])
async def test_no_open_redirect(root: Path, path: str) -> None:
    made = Application(
        static_path=str(root),
        static_url_prefix="/",
        static_handler_args={"default_filename": "index.html"},
    )
    for tail in ("/dir", f"/{root}/dir"):
        response = await fetch(made, path + tail)
        assert response.code in (403, 404) and "Location" not in response.headers


# --- symlinks ---------------------------------------------------------------------------------


@pytest.fixture
def linked(root: Path) -> Path:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_bytes(b"SECRET")
    (root / "link.txt").symlink_to(outside / "secret.txt")
    (root / "linkdir").symlink_to(outside)
    (root / "missing").symlink_to(outside / "nope")
    (root / "inside.txt").symlink_to(root / "robots.txt")
    return root


async def test_symlinks_stay_inside(linked: Path) -> None:
    assert (await get(linked, "/static/inside.txt")).body == TEXT
    for path in ("link.txt", "linkdir/secret.txt", "linkdir", "missing", "linkdir/nope"):
        response = await get(linked, "/static/" + path, default_filename="index.html")
        assert response.code == 403, path


async def test_allowed_symlinks(linked: Path) -> None:
    everything = str(linked.parent)
    outside = str(linked.parent / "outside")
    for allowed in (everything, [str(linked), outside]):
        response = await get(linked, "/static/link.txt", allowed_symlink_directory=allowed)
        assert response.body == b"SECRET"
        response = await get(linked, "/static/robots.txt", allowed_symlink_directory=allowed)
        assert response.body == TEXT
    only = await get(linked, "/static/robots.txt", allowed_symlink_directory=outside)
    assert only.code == 403  # it is in place of the root


async def test_a_symlinked_root(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert (await get(link, "/static/robots.txt")).body == TEXT


async def test_a_symlinked_default_file(linked: Path) -> None:
    (linked / "dir" / "index.html").unlink()
    (linked / "dir" / "index.html").symlink_to(linked.parent / "secret.txt")
    assert (await get(linked, "/static/dir/", default_filename="index.html")).code == 403


# --- conditions and ranges --------------------------------------------------------------------


async def test_not_modified(root: Path) -> None:
    first = await get(root, "/static/robots.txt")
    etag, modified = first.headers["Etag"], first.headers["Last-Modified"]
    for headers, code in [
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": f'W/{etag}, "x"'}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": modified}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": "Fri, 01 Jan 1960 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": "!nv@l!d"}, 200),
        ({"If-None-Match": etag, "Range": "bytes=1-4"}, 304),
    ]:
        response = await get(root, "/static/robots.txt", headers)
        assert response.code == code, headers
        if code == 304:
            assert response.body == b"" and "Content-Length" not in response.headers
            assert response.headers["Etag"] == etag


@pytest.mark.parametrize(
    ("value", "code", "body"),
    [
        ("bytes=0-9", 206, TEXT[:10]),
        ("bytes=22-", 206, TEXT[22:]),
        ("bytes=-4", 206, TEXT[-4:]),
        ("bytes=1-10000000", 206, TEXT[1:]),
        ("bytes=0-", 200, TEXT),
        ("bytes=0-100", 200, TEXT),
        ("bytes=-100", 200, TEXT),
        ("bytes=-0", 416, b""),
        ("bytes=26-", 416, b""),
        ("bytes=10-3", 416, b""),
        ("asdf", 200, TEXT),
        ("bytes=+0-+4", 200, TEXT),
        ("bytes=0_0-0_4", 200, TEXT),
        ("bytes=--5", 200, TEXT),
        ("bytes=\u0661-\u0662", 200, TEXT),
        ("bytes=0-1,3-4", 200, TEXT),
        ("bytes=" + "0-0," * 1000, 200, TEXT),
    ],
)
async def test_ranges(root: Path, value: str, code: int, body: bytes) -> None:
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        value = value.encode().decode("latin-1")
    response = await get(root, "/static/robots.txt", {"Range": value})
    assert (response.code, response.body) == (code, body)
    assert response.headers["Content-Length"] == str(len(body))
    if code == 206:
        start = TEXT.index(body)
        shown = f"bytes {start}-{start + len(body) - 1}/26"
        assert response.headers["Content-Range"] == shown
    elif code == 416:
        assert response.headers["Content-Range"] == "bytes */26"
    else:
        assert "Content-Range" not in response.headers


async def test_if_range(root: Path) -> None:
    first = await get(root, "/static/robots.txt")
    for condition, code in [
        (first.headers["Etag"], 206),
        ('"other"', 200),
        ("W/" + first.headers["Etag"], 200),
        (first.headers["Last-Modified"], 206),
        ("Fri, 01 Jan 1960 00:00:00 GMT", 200),
        ("rubbish", 200),
    ]:
        headers = {"Range": "bytes=0-3", "If-Range": condition}
        assert (await get(root, "/static/robots.txt", headers)).code == code, condition


# --- versions ---------------------------------------------------------------------------------


def version(root: Path, path: str, cls: type[StaticFileHandler] = StaticFileHandler) -> str | None:
    return cls.get_version({"static_path": str(root)}, path)


def test_versions(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert version(root, "robots.txt") == hashlib.sha512(TEXT).hexdigest()
    with pytest.raises(HTTPError) as info:
        version(root, "../secret.txt")
    assert info.value.status_code == 403
    assert version(root, "dir") is None and version(root, "none") is None
    assert "Could not open static file" in caplog.text
    settings = {"static_path": str(root)}
    assert StaticFileHandler.make_static_url(settings, "none") == "/static/none"
    assert StaticFileHandler.make_static_url(settings, "x", include_version=False) == "/static/x"


def test_large_files_have_no_version(root: Path) -> None:
    class Small(StaticFileHandler):
        MAX_VERSION_CONTENT_SIZE = len(TEXT) - 1

    assert version(root, "robots.txt", Small) is None


def test_versions_are_bounded(root: Path) -> None:
    read: list[str] = []

    class Few(StaticFileHandler):
        MAX_CACHED_VERSIONS = 2

        @classmethod
        def get_content_version(cls, abspath: str) -> str:
            read.append(os.path.basename(abspath))
            return "v"

    for name in "abacab":
        version(root, name, Few)
    assert read == ["a", "b", "c", "b"]


async def test_a_changed_file_has_a_new_version(root: Path) -> None:
    first = await get(root, "/static/robots.txt")
    (root / "robots.txt").write_bytes(b"changed!")
    second = await get(root, "/static/robots.txt", {"If-None-Match": first.headers["Etag"]})
    assert second.code == 200 and second.body == b"changed!"
    assert version(root, "robots.txt") == hashlib.sha512(b"changed!").hexdigest()


async def test_a_large_file_is_hashed_in_a_thread(root: Path) -> None:
    content = b"x" * (2 << 20)
    (root / "large").write_bytes(content)
    response = await get(root, "/static/large")
    assert response.headers["Etag"] == f'"{hashlib.sha512(content).hexdigest()}"'
    assert response.body == content


async def test_an_etag_of_the_programs_own_needs_no_hash(root: Path) -> None:
    class Unhashed(StaticFileHandler):
        def compute_etag(self) -> str | None:
            return None

        @classmethod
        def get_content_version(cls, abspath: str) -> str:
            raise AssertionError("not wanted")

    (root / "large").write_bytes(bytes(THREAD_SIZE + 1))
    made = Application([("/(.*)", Unhashed, {"path": str(root)})])
    response = await fetch(made, "/large", "HEAD")
    assert response.code == 200 and "Etag" not in response.headers
    assert str(root / "large") not in Unhashed._static_hashes


# --- overriding -------------------------------------------------------------------------------


class InMemory(StaticFileHandler):
    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        return "memory:" + path

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        if absolute_path != "memory:foo.txt":
            raise HTTPError(404)
        return absolute_path

    @classmethod
    def get_content(cls, abspath: str, start: int | None = None, end: int | None = None) -> Any:
        def pieces() -> Iterator[bytes]:
            yield b"in "
            yield b"memory"

        return pieces() if start is None and end is None else b"in memory"[start:end]

    def get_content_size(self) -> int:
        return 9

    def get_modified_time(self) -> None:
        return None

    @classmethod
    def get_version(cls, settings: dict[str, Any], path: str) -> str:
        return "42"


async def test_content_from_elsewhere() -> None:
    made = Application([("/s/(.*)", InMemory, {"path": "x"})])
    response = await fetch(made, "/s/foo.txt")
    assert (response.body, response.headers["Content-Length"]) == (b"in memory", "9")
    assert "Last-Modified" not in response.headers
    assert (await fetch(made, "/s/foo.txt", headers={"Range": "bytes=3-4"})).body == b"me"
    assert (await fetch(made, "/s/bar")).code == 404
    assert InMemory.make_static_url({}, "foo.txt") == "/static/foo.txt?v=42"


def test_content_is_lazy(root: Path) -> None:
    path = root / "later.txt"
    pieces = StaticFileHandler.get_content(str(path), 1, 3)
    missing = StaticFileHandler.get_content(str(root / "none"))
    path.write_bytes(b"abcd")
    assert b"".join(pieces) == b"bc"  # type: ignore[arg-type]
    with pytest.raises(HTTPError):
        next(iter(missing))


async def test_extra_headers(root: Path) -> None:
    class Extra(StaticFileHandler):
        def set_extra_headers(self, path: str) -> None:
            self.set_header("X-Path", path)

        def get_cache_time(self, path: str, modified: Any, mime_type: str) -> int:
            return 60

    made = Application([("/(.*)", Extra, {"path": str(root)})])
    headers = (await fetch(made, "/robots.txt")).headers
    assert headers["X-Path"] == "robots.txt" and headers["Cache-Control"] == "max-age=60"


# --- precompressed, compressed ----------------------------------------------------------------


async def test_precompressed_siblings(root: Path) -> None:
    (root / "robots.txt.gz").write_bytes(b"gz")
    (root / "robots.txt.br").write_bytes(b"brotli")
    for accept, coding, body in [
        ("gzip, br", "br", b"brotli"),
        ("gzip", "gzip", b"gz"),
        ("gzip;q=0, br;q=0", None, TEXT),
        ("br;q=0.1, gzip;q=0.9", "gzip", b"gz"),
        ("", None, TEXT),
    ]:
        response = await get(
            root, "/static/robots.txt", {"Accept-Encoding": accept}, precompressed=True
        )
        assert (response.headers.get("Content-Encoding"), response.body) == (coding, body)
        assert response.headers["Content-Type"] == "text/plain"
        assert response.headers["Vary"] == "Accept-Encoding"
    response = await get(root, "/static/robots.txt", {"Accept-Encoding": "br"})
    assert "Content-Encoding" not in response.headers


async def test_precompressed_siblings_stay_inside(root: Path) -> None:
    (root / "robots.txt.gz").symlink_to(root.parent / "secret.txt")
    accept = {"Accept-Encoding": "gzip"}
    response = await get(root, "/static/robots.txt", accept, precompressed=True)
    assert response.body == TEXT


async def test_transforms_apply(root: Path) -> None:
    made = Application([("/(.*)", StaticFileHandler, {"path": str(root)})], compress_response=True)
    accept = {"Accept-Encoding": "gzip"}
    response = await fetch(made, "/robots.txt", headers=accept)
    assert response.headers["Content-Encoding"] == "gzip"
    response = await fetch(made, "/robots.txt", headers={**accept, "Range": "bytes=0-3"})
    assert response.body == TEXT[:4] and "Content-Encoding" not in response.headers


@pytest.mark.parametrize("name", ["robots.txt", "big.txt", "a.png"])
@pytest.mark.parametrize("accept", ["gzip", "identity"])
async def test_head_says_what_get_says_of_compressed_files(
    root: Path, name: str, accept: str
) -> None:
    (root / "big.txt").write_bytes(b"text " * CHUNK)
    (root / "a.png").write_bytes(b"x" * 5000)
    served = Application(
        [("/(.*)", StaticFileHandler, {"path": str(root)})], compress_response=True
    )
    fields = {"Accept-Encoding": accept}
    got = await fetch(served, f"/{name}", headers=fields)
    head = await fetch(served, f"/{name}", "HEAD", fields)
    zipped = accept == "gzip" and name != "a.png"
    assert ("Content-Encoding" in got.headers) is zipped
    differ = {"Date", "Transfer-Encoding"}
    assert {k: v for k, v in head.headers.items() if k not in differ} == {
        k: v for k, v in got.headers.items() if k not in differ
    }
    assert head.body == b""
    # The bytes are not those of the plain file: only a weak tag may be the same.
    etag = got.headers["Etag"]
    assert etag.startswith("W/") is zipped
    again = await fetch(served, f"/{name}", headers={**fields, "If-None-Match": etag})
    assert (again.code, again.body) == (304, b"")
    assert again.headers["Etag"].removeprefix("W/") == etag.removeprefix("W/")
    assert again.headers["Etag"].startswith("W/") or not zipped
    ranged = {**fields, "Range": "bytes=0-3", "If-Range": etag}
    assert (await fetch(served, f"/{name}", headers=ranged)).code == (200 if zipped else 206)


async def test_a_file_that_vanishes_meanwhile(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Racing(StaticFileHandler):
        def set_extra_headers(self, path: str) -> None:
            (root / "robots.txt").unlink()

    made = Application([("/(.*)", Racing, {"path": str(root)})])
    with caplog.at_level(logging.ERROR):
        response = await fetch(made, "/robots.txt")
    assert response.code == 404 and "Content-Range" not in response.headers
