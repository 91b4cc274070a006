"""What the pages on deploying show is accepted by the programs that it is for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from .follow import FENCE

ROOT = Path(__file__).parent.parent.parent
HOW_TO = ROOT / "docs" / "how-to"


def shown(page: str, title: str) -> str:
    for _, attributes, block in FENCE.findall((HOW_TO / page).read_text()):
        if f'title="{title}"' in attributes:
            return str(block)
    raise AssertionError(f"{page} has no {title}")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_units(tmp_path: Path) -> None:
    service = shown("deploy-systemd.md", "app.service")
    program = re.search(r"^ExecStart=(\S+)", service, re.MULTILINE)
    assert program is not None
    service = service.replace(program[1], sys.executable)  # systemd looks whether it is there
    service = service.replace("WorkingDirectory=/srv/app", f"WorkingDirectory={tmp_path}")
    (tmp_path / "app.service").write_text(service)
    (tmp_path / "app.socket").write_text(shown("deploy-systemd.md", "app.socket"))
    units = [str(tmp_path / name) for name in ("app.service", "app.socket")]
    ended = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    about = [line for line in ended.stderr.splitlines() if "app." in line]
    assert about == []


@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx here")
def test_nginx(tmp_path: Path) -> None:
    certificate = trustme.CA().issue_cert("app.example")
    certificate.private_key_pem.write_to_path(tmp_path / "app.key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "app.pem")
    site = shown("deploy-proxy.md", "app.conf").replace("/etc/ssl", str(tmp_path))
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {site} }}"
    )
    command = ["nginx", "-t", "-q", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


COMMANDS = {
    "Containerfile": json.loads(
        shown("deploy-container.md", "Containerfile").rpartition("CMD ")[2]
    ),
    "app.service": re.findall(
        r"^ExecStart=\S+/(.*)$", shown("deploy-systemd.md", "app.service"), re.MULTILINE
    )[0].split(),
}


@pytest.mark.parametrize("file", COMMANDS)
def test_commands_are_accepted(file: str, tmp_path: Path) -> None:
    """All but serving: `--check`."""
    (tmp_path / "app.py").write_text("from tornado_trio import web\napp = web.Application([])\n")
    program, *arguments = COMMANDS[file]
    assert program == "tornado-trio"
    command = [sys.executable, "-m", "tornado_trio", *arguments, "--port", "0", "--check"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
