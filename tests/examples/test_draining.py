"""Services that are told to end while a request is under way."""

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

from .programs import EXAMPLES, get, running


@pytest.mark.parametrize("kind", ["native", "overlay"])
def test_requests_under_way_finish(kind: str, tmp_path: Path) -> None:
    port = free_port()
    if kind == "native":
        program: Any = tmp_path / "service.py"
        source = EXAMPLES / "native" / "service.py"
        program.write_text(source.read_text().replace("8888", str(port)))
        args: tuple[str, ...] = ()
    else:
        program, args = "draining.py", (f"--port={port}",)
    with running(program, *args, overlay=kind == "overlay") as process:
        assert get(f"http://127.0.0.1:{port}/") == "done"
        with socket.create_connection(("127.0.0.1", port), timeout=10) as waiting:
            waiting.sendall(b"GET /?seconds=1 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.4)  # it has begun
            process.terminate()
            answer = b""
            while data := waiting.recv(65536):
                answer += data
        assert answer.endswith(b"done")
        assert b"Connection: close" in answer
        assert process.wait(10) == 0
