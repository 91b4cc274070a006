"""The package's front door: every name is there, and is loaded only when asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tornado_trio.net as net


def test_every_name_is_there() -> None:
    assert sorted(net._HOMES) == net.__all__ == sorted(net.__all__)
    assert set(net.__all__) <= set(dir(net))
    for name in net.__all__:
        assert getattr(net, name) is vars(net)[name]
    with pytest.raises(AttributeError):
        net.nothing  # noqa: B018


def test_buffers_alone_load_no_tls() -> None:
    code = "import sys, tornado_trio.net.buffers; print('tornado_trio.net.tls' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
