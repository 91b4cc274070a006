"""`run` and `tornado-trio serve` as people use them: real processes, ports and signals."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
import trustme

from tests.platforms import needs_unix_sockets
from tornado_trio.service.command import parse

from .processes import APP, ROOT, SERVE, get, service

SINGLE = APP + '\nif __name__ == "__main__":\n    run(app, port=0)\n    print("run returned")\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(SINGLE)
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("host", ["trio", "asyncio", "uvloop"])
def test_it_starts_serves_and_stops_quietly(folder: Path, number: int, host: str) -> None:
    environ = {} if host == "trio" else {"TORNADO_TRIO_ASYNCIO": host}
    with service("app.py", cwd=folder, **environ) as process:
        url = process.url()
        assert get(url) == f"hello {process.pid}"
        process.wait_for(r"200 GET / \(127\.0\.0\.1\)")
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(get(url + "/?s=0.5")))
        asking.start()
        process.wait_for("GET /[?]s=0.5 begins")
        process.signal(number)
        assert process.wait() == 0
        asking.join()
    assert answers == [f"hello {process.pid}"]
    assert process.lines[-1] == "run returned"
    assert "Traceback" not in process.output


def test_readme_first_program(tmp_path: Path) -> None:
    """Started by one line, prints its address, logs requests, stops quietly."""
    text = (ROOT / "README.md").read_text()
    program = next(p for p in text.split("```python\n")[1:] if "run(app" in p).split("```")[0]
    (tmp_path / "app.py").write_text(program)
    with service("app.py", cwd=tmp_path, TORNADO_TRIO_PORT="0") as process:
        assert get(process.url()) == "Hello, world"
        process.wait_for("200 GET /")
        process.signal(signal.SIGINT)
        assert process.wait() == 0
    assert "Traceback" not in process.output


def test_a_port_in_use_is_one_line(folder: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        for command in (["app.py"], [*SERVE, "app:app"]):
            with service(*command, cwd=folder, TORNADO_TRIO_PORT=str(port)) as process:
                assert process.wait() == 1
            [line] = process.lines
            assert f"cannot listen: Address already in use: 127.0.0.1:{port}" in line
            assert "--port" in line
            if sys.platform == "linux":
                assert "by pid " in line


def test_a_second_signal_ends_a_blocked_loop(folder: Path) -> None:
    with service("app.py", cwd=folder) as process:
        url = process.url()
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as sock:
            sock.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
            process.wait_for("now it blocks")
            process.signal(signal.SIGINT)
            process.signal(signal.SIGTERM)
            assert process.wait() == 1
    assert "app.py" in process.output and "in get" in process.output  # where it hangs


def test_the_second_signal_has_its_status(folder: Path) -> None:
    with service("app.py", cwd=folder) as process:
        url = process.url()
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as sock:
            sock.sendall(b"GET /?s=60 HTTP/1.1\r\nHost: a\r\n\r\n")
            process.wait_for("begins")
            process.signal(signal.SIGINT)
            process.wait_for("SIGINT: stopping")
            process.signal(signal.SIGINT)
            process.wait_for("SIGINT again: cutting")
            assert process.wait() == 130
            sock.settimeout(30)
            assert b" 503 " in sock.recv(1000)


def test_an_error_of_main_is_the_programs(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from tornado_trio import run\nasync def main():\n    raise KeyError('mine')\n"
        "if __name__ == '__main__':\n    run(main)\n"
    )
    commands = [("app.py",), (*SERVE, "app:main"), (*SERVE, "app:main", "--asyncio")]
    for command in commands:
        with service(*command, cwd=tmp_path) as process:
            assert process.wait() == 1
        assert process.lines[-1] == "KeyError: 'mine'"
        assert process.output.count("Traceback") == 1
        assert "site-packages" not in process.output  # nor trio's frames
        assert process.output.count("  File ") <= 6


def test_serve_needs_no_lines_in_the_program(folder: Path) -> None:
    command = (*SERVE, "app:app", "--port=0", "--log-format=json", "--host", "localhost")
    with service(*command, cwd=folder) as process:
        get(process.url())
        line = json.loads(process.wait_for(".*200 GET.*")[0])
        assert line["logger"] == "tornado.access"
        assert line["level"] == "info"
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    with service(*SERVE, "app", "--port=0", "--no-access-log", cwd=folder) as process:
        get(process.url())
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert "GET /" not in process.output


def test_logging_of_the_program_is_left_alone(folder: Path) -> None:
    (folder / "own.py").write_text(
        "import logging\nfrom app import app\n"
        "from tornado_trio import serve\n"
        "async def main():\n"
        "    logging.basicConfig(format='mine %(message)s', level='INFO')\n"
        "    await serve(app)\n"
    )
    with service(*SERVE, "own:main", "--port=0", cwd=folder) as process:
        get(process.url())
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert all(line.startswith("mine ") for line in process.lines)


def test_tls(folder: Path) -> None:
    ca = trustme.CA()
    certificate = ca.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    context = ssl.create_default_context()
    ca.configure_trust(context)
    files = ("--tls-cert=cert.pem", "--tls-key=key.pem")
    with service(*SERVE, "app:app", "--port=0", *files, cwd=folder) as process:
        url = process.url()
        assert url.startswith("https://127.0.0.1:")
        with urllib.request.urlopen(url, context=context, timeout=30) as answer:
            assert answer.read() == f"hello {process.pid}".encode()
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


@needs_unix_sockets
def test_unix_sockets_and_descriptors(folder: Path) -> None:
    path = folder / "sock"
    with service(*SERVE, "app:app", "--unix", path, cwd=folder) as process:
        process.wait_for(f"serving on unix:{path}")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        command = [sys.executable, *SERVE, "app:app", "--fd", str(sock.fileno())]
        popen = subprocess.Popen(
            command,
            cwd=folder,
            env={"PYTHONPATH": str(ROOT)},
            pass_fds=[sock.fileno()],
            stderr=subprocess.DEVNULL,
        )
    try:
        assert get(url) == f"hello {popen.pid}"
    finally:
        popen.terminate()
        assert popen.wait(30) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["app:ap"], 2, "did you mean 'app'"),
        (["nowhere:app"], 2, "there is no module 'nowhere'"),
        (["app:Hello"], 2, "app:Hello is a handler class"),
        (["app:app", "--port=x"], 2, "--port=x: it is no number"),
        (["app:app", "--port=0", "--tls-cert=no.pem"], 1, "the certificate no.pem cannot be used"),
        (["app:app", "--check", "--port=0"], 0, "app:app: ok"),
    ],
)
def test_mistakes_are_one_line(folder: Path, arguments: list[str], status: int, line: str) -> None:
    with service(*SERVE, *arguments, cwd=folder) as process:
        assert process.wait() == status
    assert len(process.lines) == 1, process.output
    assert line in process.lines[0]


def test_help_teaches(folder: Path) -> None:
    with service(*SERVE, "--help", cwd=folder) as process:
        assert process.wait() == 0
    for word in ("--drain-delay SECONDS", "TORNADO_TRIO_PORT=80", "app:app", "SIGHUP"):
        assert word in process.output
    assert re.search(r"\[--asyncio\[=uvloop\]\]", process.output)
    assert re.search(r"\n  --proxy-headers\[=PROXY,...\]", process.output)


def test_a_value_that_is_not_joined(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["app:app", "--proxy-headers=10.0.0.2"]).proxy_headers == "10.0.0.2"
    with pytest.raises(SystemExit):
        parse(["app:app", "--proxy-headers", "10.0.0.2"])
    assert "is joined by =, as --asyncio=uvloop" in capsys.readouterr().err


def test_no_run_inside_a_run(folder: Path) -> None:
    (folder / "inner.py").write_text(
        "import trio\nfrom app import app\nfrom tornado_trio import run\n"
        "async def main():\n    run(app)\ntrio.run(main)\n"
    )
    with service("inner.py", cwd=folder) as process:
        assert process.wait() == 2
    assert "await serve() there instead" in process.output
