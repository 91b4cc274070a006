"""examples/native/service.py as a process: SIGTERM while a request is under way."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from http.client import HTTPConnection

from tests.ports import free_port

from .programs import EXAMPLES, ROOT, environment, get

PROGRAM = """
import importlib.util, sys
from functools import partial
spec = importlib.util.spec_from_file_location("service", sys.argv[1])
service = importlib.util.module_from_spec(spec)
spec.loader.exec_module(service)
service.run(partial(service.main, int(sys.argv[2])))
"""


def test_a_request_under_way_is_answered() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    example = str(EXAMPLES / "native/service.py")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, example, str(port)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert get(url) == "done"
        with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=40)) as client:
            client.request("GET", "/?seconds=2")
            process.send_signal(signal.SIGTERM)
            assert client.getresponse().read() == b"done"
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, output
    assert output.rstrip().endswith("closed")  # what was opened around it, last
