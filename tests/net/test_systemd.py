"""Inherited sockets and notifications, as a service manager would do them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.platforms import needs_unix_sockets
from tornado_trio.net import systemd

CHILD = """
import os, socket
os.environ["LISTEN_PID"] = str(os.getpid())
from tornado_trio.net import systemd
(web,) = systemd.inherited_listeners("web")
assert systemd.inherited_listeners("nothing") == []
every = systemd.inherited_sockets()
assert sorted(every) == ["admin", "web"], every
assert "LISTEN_FDS" not in os.environ
assert systemd.inherited_sockets() == {}
assert not os.get_inheritable(every["admin"][0].fileno())
print(web.address[1], every["admin"][0].getsockname()[1])
"""


def test_inherited_by_name() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as web,
        socket.create_server(("::1", 0), family=socket.AF_INET6)
        if socket.has_dualstack_ipv6()
        else socket.create_server(("127.0.0.1", 0)) as admin,
    ):
        ports = [web.getsockname()[1], admin.getsockname()[1]]
        # A manager puts them at 3, 4, ...; a shell of our own does the same.
        boot = (
            "import os, sys\n"
            "a, b = os.dup(int(sys.argv[1])), os.dup(int(sys.argv[2]))\n"
            "os.dup2(a, 3); os.dup2(b, 4)\n"
            "exec(sys.argv[3])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", boot, str(web.fileno()), str(admin.fileno()), CHILD],
            env=os.environ | {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:admin"},
            pass_fds=[web.fileno(), admin.fileno()],
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(port) for port in ports]


def test_meant_for_another_process() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "3"}
    assert systemd.inherited_sockets(environ) == {}
    assert systemd.inherited_listeners(environ=environ) == []


@needs_unix_sockets
def test_notify(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    assert not systemd.notify("READY=1", {})
    assert not systemd.notify("READY=1", {"NOTIFY_SOCKET": path})
    for address, bound in ((path, path), (f"@tt-{os.getpid()}", f"\0tt-{os.getpid()}")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(bound)
            assert systemd.notify("READY=1", {"NOTIFY_SOCKET": address})
            assert manager.recv(100) == b"READY=1"


def test_watchdog() -> None:
    assert systemd.watchdog_interval({"WATCHDOG_USEC": "3000000"}) == 1.5
    assert systemd.watchdog_interval({}) is None
    assert systemd.watchdog_interval({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}) is None
