"""Form bodies as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from tornado_trio._util.percent import STEP, parse_qs_bytes
from tornado_trio.errors import HTTPInputError
from tornado_trio.wire.formdata import (
    HTTPFile,
    ParseBodyConfig,
    ParseMultipartConfig,
    ParseUrlEncodedConfig,
    body_argument_steps,
    is_form,
    parse_body_arguments,
    parse_multipart_form_data,
)
from tornado_trio.wire.headers import HTTPHeaders

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
BODY = (
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--x\r\nContent-Disposition: form-data; name="a"; filename=""\r\n\r\n2\r\n'
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\n3\r\n'
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="m"\r\n'
    b"Content-Type: text/plain\r\n\r\n4\r\n--x--"
)


def parse(
    content_type: str,
    body: bytes,
    headers: HTTPHeaders | None = None,
    config: ParseBodyConfig | None = None,
) -> tuple[dict[str, list[bytes]], dict[str, list[HTTPFile]]]:
    arguments: dict[str, list[bytes]] = {"a": [b"0"]}
    files: dict[str, list[HTTPFile]] = {}
    parse_body_arguments(content_type, body, arguments, files, headers, config=config)
    return arguments, files


def test_urlencoded() -> None:
    assert parse(URLENCODED, b"a=1&b=&c&%E9=%ff+")[0] == {
        "a": [b"0", b"1"],
        "b": [b""],
        "c": [b""],
        "\xe9": [b"\xff "],
    }
    assert parse(URLENCODED + "; charset=x", b"a=1;b=2")[0] == {"a": [b"0", b"1;b=2"]}


@pytest.mark.parametrize("kind", ["Application/X-WWW-Form-Urlencoded", URLENCODED + " ; a=b"])
def test_media_types_in_any_case(kind: str) -> None:
    assert parse(kind, b"a=1")[0] == {"a": [b"0", b"1"]}


@pytest.mark.parametrize("kind", [URLENCODED + "-x", "multipart/form-data-x; boundary=x", "text"])
def test_media_types_are_whole(kind: str) -> None:
    assert not is_form(kind)
    assert parse(kind, b"a=1") == ({"a": [b"0"]}, {})


@pytest.mark.parametrize("body", [b"a=" + b"%41" * 400_000 + b"&b=1", b"%" * 10**6, b"b=%&" * 900])
def test_a_large_body_is_parsed_in_steps(body: bytes) -> None:
    whole = parse_qs_bytes(body, keep_blank_values=True)
    arguments: dict[str, list[bytes]] = {}
    steps = body_argument_steps(URLENCODED, body, arguments, {}, None, ParseBodyConfig())
    assert len(list(steps)) >= len(body) // STEP
    assert arguments == whole


@pytest.mark.parametrize("size", [1000, 50_000, 150_000, 500_000])
def test_a_large_multipart_body_is_parsed_in_steps(size: int) -> None:
    """A search through 512 KiB is one, so is a copy of 1 MiB."""
    value = b"\r\n--xA" * size
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + value + b"\r\n"
    arguments: dict[str, list[bytes]] = {}
    body = part * 2 + b"--x--"
    steps = body_argument_steps(MULTIPART, body, arguments, {}, None, ParseBodyConfig())
    copies = -(-len(value) // 2**20) if len(value) > STEP else 0
    assert len(list(steps)) == len(body) // 2**19 + 2 * copies
    assert arguments == {"a": [value, value]}


def test_values_are_bytes_whatever_the_body_is() -> None:
    arguments: dict[str, list[bytes]] = {}
    body: Any = bytearray(BODY)
    parse_multipart_form_data(b"x", body, arguments, {})
    assert [type(value) for value in arguments["a"]] == [bytes, bytes]


def test_multipart() -> None:
    arguments, files = parse(MULTIPART, BODY)
    assert arguments == {"a": [b"0", b"1", b"2"]}
    assert files == {
        "f": [
            {"filename": "n", "body": b"3", "content_type": "application/unknown"},
            {"filename": "m", "body": b"4", "content_type": "text/plain"},
        ]
    }
    assert files["f"][0].filename == "n"


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; y=z; boundary=x",
        'multipart/form-data; boundary="x"',
        "Multipart/Form-Data; Boundary=x",
        "MULTIPART/FORM-DATA ;boundary=x",
    ],
)
def test_boundaries(content_type: str) -> None:
    assert parse(content_type, BODY)[0] == {"a": [b"0", b"1", b"2"]}


def test_quoted_boundary() -> None:
    arguments: dict[str, list[bytes]] = {}
    parse_multipart_form_data(b'"x"', BODY, arguments, {})
    assert arguments == {"a": [b"1", b"2"]}


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary="])
def test_no_boundary(content_type: str) -> None:
    with pytest.raises(HTTPInputError, match="boundary not found"):
        parse(content_type, BODY)


def test_other_bodies_are_left_alone() -> None:
    for content_type in ("", "application/json", "multipart/mixed; boundary=x"):
        assert not is_form(content_type)
        headers = HTTPHeaders({"Content-Encoding": "gzip"})
        assert parse(content_type, b"a=1", headers) == ({"a": [b"0"]}, {})


def test_content_encoding_is_refused() -> None:
    for content_type in (URLENCODED, MULTIPART):
        with pytest.raises(HTTPInputError, match="Content-Encoding: gzip"):
            parse(content_type, b"a=1", HTTPHeaders({"Content-Encoding": "gzip"}))
        assert is_form(content_type)
    assert parse(URLENCODED, b"b=1", HTTPHeaders())[0]["b"] == [b"1"]


def test_limits() -> None:
    config = ParseBodyConfig(
        multipart=ParseMultipartConfig(max_parts=3),
        urlencoded=ParseUrlEncodedConfig(max_arguments=2),
    )
    parse(URLENCODED, b"a=1&b=2", config=config)
    with pytest.raises(HTTPInputError, match="Max number of fields"):
        parse(URLENCODED, b"a=1&b=2&c=3", config=config)
    with pytest.raises(HTTPInputError, match="too many parts"):
        parse(MULTIPART, BODY, config=config)
    config.multipart.enabled = False
    with pytest.raises(HTTPInputError, match="disabled"):
        parse(MULTIPART, BODY, config=config)


def test_defaults() -> None:
    """CVE-2026-31958: a hundred parts; and a thousand arguments."""
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    assert len(parse(MULTIPART, part * 100 + b"--x--")[0]["a"]) == 101
    with pytest.raises(HTTPInputError):
        parse(MULTIPART, part * 101 + b"--x--")
    assert len(parse(URLENCODED, b"&".join([b"a=1"] * 1000))[0]["a"]) == 1001
    with pytest.raises(HTTPInputError):
        parse(URLENCODED, b"&".join([b"a=1"] * 1001))


def test_nothing_is_added_by_a_malformed_body() -> None:
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, list[HTTPFile]] = {}
    with pytest.raises(HTTPInputError):
        parse_multipart_form_data(b"x", BODY[:-3], arguments, files)
    assert not arguments and not files
