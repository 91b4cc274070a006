"""What the code itself must not contain, and what must stay linear, whatever calls it."""

from __future__ import annotations

import ast
import hmac
import os
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tornado_trio.escape import parse_qs_bytes, squeeze, url_unescape, xhtml_escape
from tornado_trio.net import client_context
from tornado_trio.web import HTTPError, static_paths
from tornado_trio.web.matchers import PathMatches
from tornado_trio.wire import signing
from tornado_trio.wire.headers import HTTPHeaders
from tornado_trio.wire.websocket.handshake import parse_subprotocols

ROOT = Path(__file__).parents[2]


# --- asserts ---------------------------------------------------------------------------


def narrowing(test: ast.expr) -> bool:
    """Whether an assert tells the type checker something, and checks nothing else."""
    match test:
        case ast.Compare(ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return True
        case ast.Call(func=ast.Name(id="isinstance")):
            return True
    return False


def asserts(folder: str) -> Iterator[tuple[Path, ast.Assert]]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assert):
                yield path.relative_to(ROOT), node


# Asserts about our own state, which no peer has a hand in.
OURS = {
    ("tornado_trio/net/buffers.py", "self._blocks"),
    ("tornado_trio/net/buffers.py", "blocks"),
    ("tornado_trio/net/tls.py", "scope.cancelled_caught"),
    ("tornado_trio/client/deadlines.py", "scope.cancelled_caught"),
}


@pytest.mark.parametrize("layer", ["wire", "net", "server", "client", "web", "websocket"])
def test_asserts_check_no_input(layer: str) -> None:
    """`python -O` removes them (CVE-2025-69227 of aiohttp)."""
    found = [
        f"{path}:{node.lineno}: {ast.unparse(node.test)}"
        for path, node in asserts(f"tornado_trio/{layer}")
        if not narrowing(node.test) and (str(path), ast.unparse(node.test)) not in OURS
    ]
    assert found == []


OPTIMISED = """
import sys, trio
from trio.testing import MockClock
from tests.server import test_corpus as corpus
from tests.server.apps import echo
from tornado_trio.testing import memory_server

assert False, "not optimised"

async def main():
    wrong = []
    for name, data, statuses, closed in corpus.CASES:
        async with memory_server(echo, corpus.OPTIONS) as server:
            found = await corpus.outcome(server, data, None)
        if found != (statuses, closed):
            wrong.append((name, found))
    return wrong

wrong = trio.run(main, clock=MockClock(autojump_threshold=0))
print(len(corpus.CASES), wrong)
sys.exit(bool(wrong))
"""


def test_the_corpus_is_judged_alike_without_asserts() -> None:
    """Every raw request again, in an interpreter that drops asserts."""
    done = subprocess.run(
        [sys.executable, "-O", "-c", OPTIMISED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


# --- what we ask of others ---------------------------------------------------------------


def test_h11_is_recent_enough() -> None:
    """CVE-2025-43859 is in h11 before 0.16."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (h11,) = [text for text in project["dependencies"] if text.startswith("h11")]
    assert h11.startswith("h11>=0.16")


def test_clients_verify_and_speak_no_obsolete_tls() -> None:
    context = client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.cert_store_stats()["x509_ca"] or ssl.get_default_verify_paths()
    unverified = client_context(verify=False)
    assert unverified.minimum_version >= ssl.TLSVersion.TLSv1_2


# --- comparing secrets ---------------------------------------------------------------------


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    for version in (1, 2):
        value = signing.create_signed_value("secret", "name", "value", version=version)
        monkeypatch.setattr(
            signing,
            "hmac",
            SimpleNamespace(compare_digest=compare, digest=hmac.digest, new=hmac.new),
        )
        given = value.rpartition(b"|")[2]
        for presented in (value, value[: -len(given)] + b"0" * len(given)):
            compared.clear()
            result = signing.decode_signed_value("secret", "name", presented, min_version=1)
            assert (result == b"value") is (presented == value)
            assert len(compared) == 1 and len(compared[0][1]) == len(given)
        monkeypatch.undo()


# --- linear time ----------------------------------------------------------------------------

MANY = 300_000


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda: url_unescape("%" * MANY), id="percent signs"),
        pytest.param(lambda: url_unescape("%41" * MANY), id="escapes"),
        pytest.param(lambda: url_unescape("\xe9%41" * MANY), id="escapes and others"),
        pytest.param(lambda: url_unescape("%C3" * MANY), id="cut characters"),
        pytest.param(lambda: url_unescape("%41" * MANY, encoding=None), id="to bytes"),
        pytest.param(lambda: parse_qs_bytes(b"a=%41" + b"%zz" * MANY), id="query"),
        pytest.param(lambda: parse_qs_bytes(b"%41" * MANY + b"=b"), id="query name"),
        pytest.param(lambda: squeeze(" " * MANY + "x"), id="squeeze"),
        pytest.param(lambda: xhtml_escape("&<" * MANY), id="escaping"),
        pytest.param(lambda: parse_subprotocols("a," * 5000), id="subprotocols"),
        pytest.param(lambda: parse_subprotocols(" " * MANY + "a"), id="blank subprotocols"),
        pytest.param(lambda: PathMatches("/(.*)").match(path("%41" * MANY)), id="path"),
        pytest.param(lambda: HTTPHeaders.parse("X: " + " " * MANY + "y\r\n"), id="blank value"),
    ],
)
def test_linear(work: Callable[[], Any]) -> None:
    """Twenty times as much as a client may send, in a fraction of a second."""
    start = time.process_time()
    work()
    assert time.process_time() - start < 2


def path(text: str) -> Any:
    return SimpleNamespace(path="/" + text)


# --- file systems that are not here ------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.txt:secret", "a.txt::$DATA", "d:x/a.txt"])
def test_alternate_data_streams(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On NTFS "a.txt:x" is another stream of a.txt."""
    assert static_paths.join("/srv", name) == "/srv/" + name
    windows = SimpleNamespace(name="nt", path=os.path)
    monkeypatch.setattr(static_paths, "os", windows)
    with pytest.raises(HTTPError) as caught:
        static_paths.join("/srv", name)
    assert caught.value.status_code == 403
    assert static_paths.join("/srv", "a.txt") == "/srv/a.txt"
