"""The benchmark harness: its data, its arithmetic, and how the load reads answers."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tornado_trio.wire.websocket import BINARY, DeflateOptions, DeflateParams, WebSocketProtocol

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType, ModuleType]]:
    names = ("cases", "compare", "load")
    monkeypatch.syspath_prepend(str(FOLDER))
    cases, compare, load = (__import__(name) for name in names)
    yield cases, compare, load
    for name in names:
        sys.modules.pop(name, None)


def test_cases(harness: tuple[ModuleType, ModuleType, ModuleType]) -> None:
    cases = harness[0].CASES
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        assert (FOLDER / "apps" / case.app).is_file(), case.name
        assert len(case.name) <= 24, "the table's first column is that wide"


def test_table(harness: tuple[ModuleType, ModuleType, ModuleType]) -> None:
    cases, compare, _ = harness
    more = cases.Case(name="more", app="hello.py")
    less = cases.Case(name="less", app="hello.py", unit="ms", lower_is_better=True)
    gone = cases.Case(name="gone", app="hello.py")
    upstream = compare.Side("upstream", [], {})
    ours = compare.Side("ours", [], {})
    upstream.results = {"more": [90.0, 100.0, 500.0], "less": [30.0], "gone": [1.0]}
    upstream.costs = {"more": [8.0], "less": [0.0]}
    ours.results = {"more": [150.0], "less": [20.0]}
    ours.costs = {"more": [4.0], "less": [0.0]}
    ours.errors = {"gone": "it broke"}
    lines = compare.table([more, less, gone], upstream, ours).splitlines()
    assert lines[2].split() == ["more", "100.0", "150.0", "requests/s", "1.50", "2.00"]
    assert lines[3].split() == ["less", "30.0", "20.0", "ms", "1.50"]
    assert lines[4].split() == ["gone", "1.0", "failed", "requests/s"]
    assert lines[5].strip() == "ours: it broke"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", b"\r\nhe", b"llo"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0", b"\r", b"\n\r\n"],
    ],
)
def test_answers_are_read_to_their_end(
    harness: tuple[ModuleType, ModuleType, ModuleType], pieces: list[bytes]
) -> None:
    load = harness[2]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = load.Connection.__new__(load.Connection)
        connection.socket, connection.message = ours, b""
        connection.buffer, connection.missing, connection.chunked = b"", -1, False
        for _ in range(2):  # the second answer on the same connection too
            ends = []
            for piece in pieces:
                theirs.sendall(piece)
                ends.append(connection.receive())
            assert ends == [False] * (len(pieces) - 1) + [True]


def test_other_answers_stop_the_load(
    harness: tuple[ModuleType, ModuleType, ModuleType],
) -> None:
    load = harness[2]
    for answer in (b"HTTP/1.1 500 No\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b""):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            connection = load.Connection.__new__(load.Connection)
            connection.socket = ours
            connection.buffer, connection.missing, connection.chunked = b"", -1, False
            theirs.sendall(answer)
            theirs.shutdown(socket.SHUT_WR)
            with pytest.raises(SystemExit):
                connection.receive()


def test_metrics_and_the_page_cost_little() -> None:
    """Counted, not timed; the page, which is, only has to answer."""
    command = [sys.executable, str(FOLDER / "inspection.py")]
    command += ["--sockets=20", "--updates=2", "--most=60000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "an update of the page" in done.stdout


def test_form_request(harness: tuple[ModuleType, ModuleType, ModuleType]) -> None:
    request = harness[2].request_bytes(80, "/x", "a=1")
    assert request.startswith(b"POST /x HTTP/1.1\r\n")
    assert request.endswith(b"Content-Length: 3\r\n\r\na=1")


@pytest.mark.parametrize("size", [100, 125, 126, 65535, 65536])
@pytest.mark.parametrize("compressed", [False, True])
def test_websocket_messages(
    harness: tuple[ModuleType, ModuleType, ModuleType], size: int, compressed: bool
) -> None:
    """What the load sends is what a server understands, and it finds the answer's end."""
    load = harness[2]
    deflate = DeflateParams(False, False, 15, 15) if compressed else None
    server = WebSocketProtocol(client=False, deflate=deflate, options=DeflateOptions())
    for _ in range(2):
        server.receive(load.masked_message(size, compressed))
        opcode, payload = server.next_event()
        assert (opcode, len(payload)) == (BINARY, size)
    answer = server.send_message(payload)
    assert load.frame_size(answer) == load.frame_size(answer[:10]) == len(answer)
    assert load.frame_size(answer[:1]) == -1

    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = load.WebSocket.__new__(load.WebSocket)
        peer.socket, peer.buffer, peer.missing = ours, b"", -1
        for _ in range(2):
            theirs.sendall(answer[:1])
            assert not peer.receive()
            theirs.sendall(answer[1:-1])
            while not peer.receive() and peer.missing != 1:
                pass
            theirs.sendall(answer[-1:])
            assert peer.receive()


@pytest.mark.parametrize("door", ["native", "compat"])
def test_profile_of_a_request(door: str) -> None:
    """It counts, repeats itself, and shows the dearest functions first."""
    command = [sys.executable, str(FOLDER / "profile_request.py"), f"--door={door}"]
    command += ["--case=json,echo", "--rounds=2", "--top=5"]
    shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=50)
    tables = shown.stdout.split(f"{door} ")[1:]
    assert [table.partition(":")[0] for table in tables] == ["json", "echo"]
    for table in tables:
        total = int(re.findall(r"(\d+) bytecodes a request", table)[0])
        rows = re.findall(r"^ *([\d.]+)  x[\d.]+  \S+\.py:\S+$", table, re.MULTILINE)
        assert len(rows) == 5
        costs = [float(row) for row in rows]
        assert costs == sorted(costs, reverse=True)
        assert 500 < sum(costs) < total < 20_000


def test_price_of_a_mount() -> None:
    """A mounted application and a function of exchanges, each by the text alone."""
    command = [sys.executable, str(FOLDER / "profile_request.py"), "--door=function,mounted"]
    command += ["--rounds=2", "--top=60"]
    shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=50)
    assert re.findall(r"^(\w+ \w+): \d+ bytecodes", shown.stdout, re.MULTILINE) == [
        "function hello",
        "mounted hello",
    ]
    function, _, mounted = shown.stdout.partition("mounted hello")
    assert "MountedRequest.send" in mounted and "MountedRequest" not in function
