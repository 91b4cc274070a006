"""Raw requests and what must become of them: (name, bytes, statuses, closed).

`statuses` are those of the responses in order; `closed` says whether the server then ends
the connection. A request smuggled past the server would show as one status too many.
Sources: the musts of RFC 9110 and 9112, and the advisories named beside the cases.
"""

# ruff: noqa: E501, PERF401 - one case, one line

from __future__ import annotations

Case = tuple[str, bytes, list[int], bool]

OK = [200]
BAD = [400]
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def _get(line: bytes = b"GET / HTTP/1.1", fields: bytes = b"Host: a\r\n") -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


def _post(fields: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + body


def _chunked(body: bytes, after: bytes = b"") -> bytes:
    return _post(b"Transfer-Encoding: chunked\r\n", body) + after


def _named(prefix: str, raw: bytes) -> str:
    return f"{prefix} {raw!r}"


def request_lines() -> list[Case]:
    cases: list[Case] = []
    good = [
        b"GET / HTTP/1.1",
        b"GET /?q=%00&x=[]{}|\\^ HTTP/1.1",
        b"M-SEARCH /x HTTP/1.1",
        b"G!#$%&'*+-.^_`|~ET / HTTP/1.1",
        b"GET //double HTTP/1.1",
        b"GET http://b/path?x HTTP/1.1",
        b"GET HTTPS://b:8443 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"OPTIONS http://b HTTP/1.1",
        b"GET /%2e%2e/%2e HTTP/1.1",
    ]
    cases += [(_named("line", line), _get(line), OK, False) for line in good]
    bad = [
        b"GET /",
        b"GET",
        b"",
        b" GET / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET\t/ HTTP/1.1",
        b"GET / HTTP/1.1\t",
        b"GET / a HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\x1b[31m HTTP/1.1",
        b"GET /\xe9 HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"GET, / HTTP/1.1",
        b"G\xc9T / HTTP/1.1",
        b"GET / http/1.1",
        b"GET / HTTP/1,1",
        b"GET / HTTP/1.1.1",
        b"GET / HTTP/1",
        b"GET / HTTP/+1.1",
        b"GET / HTTP/\xb2.0",
        b"GET / HTTP/1.2x",
        b"GET / HTTP /1.1",
        b"GET path HTTP/1.1",
        b"GET a:b@c HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET ftp://b/ HTTP/1.1",
        b"GET http:///path HTTP/1.1",
        b"GET http://user@b/ HTTP/1.1",
        b"GET http://b:x/ HTTP/1.1",
        b"GET javascript:alert(1) HTTP/1.1",
        b"CONNECT / HTTP/1.1",
        b"CONNECT b HTTP/1.1",
        b"CONNECT http://b:1/ HTTP/1.1",
        b"CONNECT b: HTTP/1.1",
        b"CONNECT :1 HTTP/1.1",
        b"CONNECT [::1] HTTP/1.1",
        b"CONNECT [::1]: HTTP/1.1",
        b"CONNECT ::1:1 HTTP/1.1",
        b"CONNECT b:65536 HTTP/1.1",
        b"GET http://:80/ HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]
    cases += [(_named("line", line), _get(line), BAD, True) for line in bad if line]
    for version in (b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.1", b"HTTP/9.9"):
        cases.append((_named("version", version), _get(b"GET / " + version), [505], True))
    cases.append(("HTTP/1.2 is served as 1.1", _get(b"GET / HTTP/1.2"), OK, False))
    cases.append(("HTTP/1.9 is served as 1.1", _get(b"GET / HTTP/1.9"), OK, False))
    cases.append(("HTTP/1.2 needs a Host", b"GET / HTTP/1.2\r\n\r\n", BAD, True))
    cases.append(("fragment in the target", _get(b"GET /a#b HTTP/1.1"), BAD, True))
    cases.append(("fragment in the query", _get(b"GET /a?b#c HTTP/1.1"), BAD, True))
    cases.append(("fragment, absolute", _get(b"GET http://a/#b HTTP/1.1"), BAD, True))
    cases.append(("one empty line before", b"\r\n" + _get(), OK, False))
    cases.append(("two empty lines before", b"\r\n\r\n" + _get(), OK, False))
    cases.append(("a flood of empty lines", b"\r\n" * 50 + _get(), BAD, True))
    cases.append(("preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505], True))
    return cases


def hosts() -> list[Case]:
    cases: list[Case] = []
    good = [
        b"a", b"", b"a:80", b"a:", b"127.0.0.1", b"[::1]", b"[::1]:8080", b"a.b-c_d~e!$",
        b"%41", b"\t a \t", b"xn--mnchen-3ya.de", b"A:65535",
    ]  # fmt: skip
    for host in good:
        cases.append((_named("Host", host), _get(fields=b"Host: " + host + b"\r\n"), OK, False))
    bad = [
        b"a b", b"a/b", b"a:b", b"t:80:80", b"[::1", b"::1]", b"a@b", b"a?b", b"a#b", b"a:65536",
        b"a:-1", b"a:+80", b"%4", b"a,b", b"\xe9", b"a\\b", b"<script>", b"a:\xb2",
    ]  # fmt: skip
    bad.remove(b"a,b")  # a comma is a sub-delim, and legal in a reg-name
    for host in bad:
        cases.append((_named("Host", host), _get(fields=b"Host: " + host + b"\r\n"), BAD, True))
    cases.append(("no Host", _get(fields=b""), BAD, True))
    cases.append(("two Hosts", _get(fields=b"Host: a\r\nHost: a\r\n"), BAD, True))
    cases.append(
        ("two Hosts, spelled otherwise", _get(fields=b"Host: a\r\nhOST: b\r\n"), BAD, True)
    )
    cases.append(("no Host in 1.0", _get(b"GET / HTTP/1.0", b""), OK, True))
    cases.append(("two Hosts in 1.0", _get(b"GET / HTTP/1.0", b"Host: a\r\n" * 2), BAD, True))
    return cases


def fields() -> list[Case]:
    cases: list[Case] = []
    good = [
        b"X: y", b"X:y", b"X:\t y \t", b"X:", b"X: ", b"X: \xe9\xff", b"X: a\tb", b"X: \"q\"",
        b"!#$%&'*+-.^_`|~09aZ: y", b"X: " + b"y" * 8000,
    ]  # fmt: skip
    for line in good:
        cases.append(
            (_named("field", line[:40]), _get(fields=b"Host: a\r\n" + line + b"\r\n"), OK, False)
        )
    bad = [
        b"X : y", b"X\t: y", b" X: y", b"\tX: y", b": y", b"X", b"X\xe9: y", b"X(: y", b"X@y: z",
        b"X\x00: y", b"X\x0b: y", b"\"X\": y", b"X\r: y",
    ]  # fmt: skip
    for line in bad:
        cases.append(
            (_named("field", line), _get(fields=b"Host: a\r\n" + line + b"\r\n"), BAD, True)
        )
    for code in [*range(0, 9), *range(11, 32), 127]:
        line = b"X: a" + bytes([code]) + b"b\r\n"
        if code == 13:
            line = b"X: a\rb\r\n"
        cases.append(
            (f"control {code:#04x} in a value", _get(fields=b"Host: a\r\n" + line), BAD, True)
        )
    cases += [
        ("obs-fold", _get(fields=b"Host: a\r\nX: y\r\n z\r\n"), BAD, True),
        ("obs-fold of the first line", _get(fields=b" Host: a\r\nHost: a\r\n"), BAD, True),
        ("bare LF after the line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", BAD, True),
        ("bare LF after a field", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", BAD, True),
        ("bare LF at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\n", BAD, True),
        ("bare LF throughout", b"GET / HTTP/1.1\nHost: a\n\n", BAD, True),
        ("bare CR as a line end", b"GET / HTTP/1.1\rHost: a\r\r\n\r\n", BAD, True),
        ("CR CR LF", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", BAD, True),
        (
            "header block too large",
            _get(fields=b"Host: a\r\n" + b"X: " + b"y" * 70000),
            [431],
            True,
        ),
        ("too many fields", _get(fields=b"Host: a\r\n" + b"X: y\r\n" * 300), [431], True),
        ("request line too long", b"GET /" + b"a" * 70000, [414], True),
    ]
    return cases


def lengths() -> list[Case]:
    cases: list[Case] = [
        ("Content-Length", _post(b"Content-Length: 3\r\n", b"abc"), OK, False),
        ("Content-Length 0", _post(b"Content-Length: 0\r\n"), OK, False),
        ("Content-Length with zeros", _post(b"Content-Length: 0003\r\n", b"abc"), OK, False),
        ("body of a GET", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", OK, False),
        ("no length, no body", _post(b""), OK, False),
    ]
    bad = [
        b"+3", b"-3", b"3.0", b"0x3", b"3_0", b"3 3", b"3,3", b"3, 4", b"", b"a", b"\xb3", b"3;", b"1e1",
        b"\"3\"", b"3\xa0", b"\x0b3",
    ]  # fmt: skip
    for value in bad:
        cases.append(
            (
                _named("Content-Length", value),
                _post(b"Content-Length: " + value + b"\r\n", b"abc"),
                BAD,
                True,
            )
        )
    cases += [
        ("equal lengths twice", _post(b"Content-Length: 3\r\n" * 2, b"abc"), BAD, True),
        ("two lengths", _post(b"Content-Length: 3\r\nContent-Length: 40\r\n", b"abc" + SMUGGLED), BAD, True),
        ("length of 20 digits", _post(b"Content-Length: " + b"9" * 20 + b"\r\n"), [413], True),
        ("length of 5000 digits", _post(b"Content-Length: " + b"9" * 5000 + b"\r\n"), [413], True),
        ("too large a length", _post(b"Content-Length: 1000001\r\n"), [413], True),
        ("length and chunked", _post(b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED), BAD, True),
        ("chunked and length", _post(b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", b"0\r\n\r\n" + SMUGGLED), BAD, True),
    ]  # fmt: skip
    return cases


def codings() -> list[Case]:
    cases: list[Case] = []
    for value, status in [
        (b"chunked", 200), (b"Chunked", 200), (b"CHUNKED", 200), (b"chunked\t", 200),
        (b"identity", 400), (b"gzip", 400), (b"gzip, chunked", 400), (b"chunked, gzip", 400),
        (b"chunked, chunked", 400), (b"xchunked", 501), (b"chunked;q=1", 501), (b"", 501),
        (b"\"chunked\"", 501), (b"chunked,", 501), (b",chunked", 501), (b"chu nked", 501),
        (b"\x0bchunked", 400), (b"chunked\xa0", 501),
    ]:  # fmt: skip
        data = _post(b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n")
        if status != 200:
            data += SMUGGLED
        cases.append((_named("Transfer-Encoding", value), data, [status], status != 200))
    cases += [
        ("Transfer-Encoding twice", _post(b"Transfer-Encoding: chunked\r\n" * 2, b"0\r\n\r\n"), BAD, True),
        ("Transfer-Encoding : chunked", _post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), BAD, True),
        ("Transfer_Encoding is another field", _post(b"Transfer_Encoding: chunked\r\n"), OK, False),
        ("folded Transfer-Encoding", _post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"), BAD, True),
        ("chunked in HTTP/1.0", b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, BAD, True),
    ]  # fmt: skip
    return cases


def chunks() -> list[Case]:
    cases: list[Case] = []
    good = [
        b"3\r\nabc\r\n0\r\n\r\n",
        b"03\r\nabc\r\n000\r\n\r\n",
        b"A\r\n0123456789\r\n0\r\n\r\n",
        b"a\r\n0123456789\r\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"3;x\r\nabc\r\n0;y\r\n\r\n",
        b'3;x=y;z="q; \\" \r"\r\nabc\r\n0\r\n\r\n'.replace(b' \r"', b' "'),
        b"3 ; x = y\r\nabc\r\n0\r\n\r\n",
        b"1\r\na\r\n" * 500 + b"0\r\n\r\n",
        b"0\r\nX: y\r\n\r\n",
        b"0\r\nX: y\r\nContent-Length: 9\r\nHost: b\r\n\r\n",
    ]
    for body in good:
        cases.append((_named("chunks", body[:40]), _chunked(body, _get()), [200, 200], False))
    bad = [
        b"+3\r\nabc\r\n", b"-3\r\nabc\r\n", b"0x3\r\nabc\r\n", b"3_\r\nabc\r\n", b" 3\r\nabc\r\n",
        b"3 \r\nabc\r\n", b"3\t\r\nabc\r\n", b"\r\nabc\r\n", b"g\r\nabc\r\n", b"3\nabc\r\n",
        b"3\r\nabc\n0\r\n\r\n", b"3\r\nabcXX0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"3\r\nab\r\n0\r\n\r\n",
        b"3;\r\nabc\r\n", b"3;a\rb\r\nabc\r\n", b"3;a\x00\r\nabc\r\n", b"3;a=\"b\r\nabc\r\n",
        b"3;a=b\"\r\nabc\r\n", b"3;a\nb\r\nabc\r\n", b"3\r\rabc\r\n", b"3\r\n\r\nabc", b"\xb3\r\nabc\r\n",
        b"3;\x7f\r\nabc\r\n", b"3,3\r\nabc\r\n", b"0\r\n X: y\r\n\r\n", b"0\r\nX : y\r\n\r\n",
        b"0\r\nX: y\n\r\n", b"0\r\n\n", b"0\r\nX: \x00\r\n\r\n", b"0\r\nnocolon\r\n\r\n",
        b"11111111111111111\r\nabc\r\n", b"3;" + b"a" * 5000, b"0\r\nX\r: y\r\n\r\n",
    ]  # fmt: skip
    for body in bad:
        cases.append((_named("chunks", body[:40]), _chunked(body, SMUGGLED), BAD, True))
    cases += [
        ("huge chunk", _chunked(b"fffffffffffffff\r\n"), [413], True),
        ("chunk of 2**64", _chunked(b"10000000000000000\r\n"), BAD, True),
        ("chunk extensions out of proportion", _chunked(b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\na\r\n" * 1000 + b"0\r\n\r\n"), BAD, True),
        ("trailers too large", _chunked(b"0\r\nX: " + b"y" * 20000 + b"\r\n\r\n"), [431], True),
        ("trailers without end", _chunked(b"0\r\nX: " + b"y" * 20000), [431], True),
        ("chunks beyond max_body_size", _chunked(b"f4240\r\n" + b"a" * 1000000 + b"\r\n1\r\na\r\n0\r\n\r\n"), [413], True),
    ]  # fmt: skip
    return cases


def persistence() -> list[Case]:
    two = _get() + _get()
    close = b"Host: a\r\nConnection: close\r\n"
    ten = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    return [
        ("two pipelined", two, [200, 200], False),
        ("after close nothing counts", _get(fields=close) + _get(), OK, True),
        ("after close not even garbage", _get(fields=close) + b"\x00\x01garbage", OK, True),
        ("Close, spelled otherwise", _get(fields=b"Host: a\r\nConnection: CLOSE\r\n"), OK, True),
        ("close in a list", _get(fields=b"Host: a\r\nConnection: x, close\r\n"), OK, True),
        ("close in a second field", _get(fields=b"Host: a\r\nConnection: x\r\nConnection: close\r\n") + _get(), OK, True),
        ("keep-alive beside close", _get(fields=b"Host: a\r\nConnection: keep-alive, close\r\n") + _get(), OK, True),
        ("a name that contains close", _get(fields=b"Host: a\r\nConnection: closed\r\n") + _get(), [200, 200], False),
        ("HTTP/1.0", _get(b"GET / HTTP/1.0"), OK, True),
        ("HTTP/1.0 keep-alive", ten + ten, [200, 200], False),
        ("HTTP/1.0 Keep-Alive", ten.replace(b"keep-alive", b"Keep-Alive") * 2, [200, 200], False),
        ("HTTP/1.0 keep-alive and close", b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n" + ten, OK, True),
        ("good, then bad", _get() + b"garbage\r\n\r\n" + _get(), [200, 400], True),
        ("bad, then good", b"garbage\r\n\r\n" + _get(), BAD, True),
        ("body, then a request", _post(b"Content-Length: 3\r\n", b"abc") + _get(), [200, 200], False),
        ("Upgrade nobody takes", _get(fields=b"Host: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n") + _get(), [200, 200], False),
        ("Upgrade: h2c", _get(fields=b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"), OK, False),
        ("unknown expectation", _get(fields=b"Host: a\r\nExpect: 200-ok\r\n"), [417], True),
        ("expectation in HTTP/1.0 is ignored", b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", OK, True),
        ("100-continue in two fields", _post(b"Expect: 100-continue\r\n" * 2 + b"Content-Length: 3\r\n", b"abc"), OK, False),
        ("100-continue and something else", _post(b"Expect: 100-continue, x\r\nContent-Length: 3\r\n", b"abc"), [417], True),
        ("100-Continue, spelled otherwise", _post(b"Expect: 100-CONTINUE\r\nContent-Length: 3\r\n", b"abc"), OK, False),
        ("HEAD, then GET", _get(b"HEAD / HTTP/1.1") + _get(), [200, 200], False),
    ]  # fmt: skip


def cases() -> list[Case]:
    """All of them."""
    return [
        *request_lines(),
        *hosts(),
        *fields(),
        *lengths(),
        *codings(),
        *chunks(),
        *persistence(),
    ]
