"""HTTP/2 by Hypercorn, under the command and the life of our services."""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import trustme

from tests.children import ending
from tornado_trio.service.command import serve_command

from .processes import APP, SERVE, service

pytest.importorskip("hypercorn")

STARTS = """
from tornado_trio import web
from tornado_trio.asgi import mount


async def other(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


app = web.Application([("/other", mount(other))])
"""


def has_curl() -> bool:
    """Whether there is one that speaks HTTP/2."""
    if shutil.which("curl") is None:
        return False
    said = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)
    return "HTTP2" in said.stdout


@pytest.mark.skipif(not has_curl(), reason="there is no curl that speaks HTTP/2")
@pytest.mark.parametrize("workers", [1, 2])
def test_tls_workers_and_a_drain(tmp_path: Path, workers: int) -> None:
    (tmp_path / "app.py").write_text(APP)
    ca = trustme.CA()
    certificate = ca.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.create_default_context()
    ca.configure_trust(context)
    options = ("--http2", "--tls-cert=cert.pem", "--tls-key=key.pem", f"--workers={workers}")
    with service(*SERVE, "app:app", "--port=0", *options, cwd=tmp_path) as process:
        url = process.url()
        with httpx.Client(verify=context, http2=True, timeout=30) as client:
            answer = client.get(url)
            assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        # httpcore gives up a response that is whole when it reads GOAWAY along with its end.
        ca.cert_pem.write_to_path(tmp_path / "ca.pem")
        command = ["curl", "-s", "--http2", "--cacert", "ca.pem", url + "/?s=1"]
        with ending(
            subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        ) as curl:
            process.wait_for("GET /[?]s=1 begins")
            process.signal(signal.SIGTERM)
            assert curl.communicate(timeout=30)[0].startswith("hello")
        with httpx.Client(verify=context) as client, pytest.raises(httpx.ConnectError):
            client.get(url)
        assert process.wait() == 0
    assert "Traceback" not in process.output


def test_without_hypercorn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hypercorn", None)  # type: ignore[arg-type]
    with pytest.raises(SystemExit) as caught:
        serve_command(["app:app", "--http2", "--port", "0"])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error == (
        "tornado-trio serve: http2 needs Hypercorn: pip install 'tornado-trio[http2]'\n"
    )


@pytest.mark.parametrize("options", [(), ("--http2",)])
def test_a_mounted_application_that_does_not_start(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """One line says why, and nothing has listened."""
    (tmp_path / "app.py").write_text(STARTS)
    with service(*SERVE, "app:app", "--port=0", *options, cwd=tmp_path) as process:
        assert process.wait() == 1
    assert "did not start: no database" in process.lines[-1]
    assert "Traceback" not in process.output and "serving on" not in process.output
