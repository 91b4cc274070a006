from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tornado_trio.wire.websocket import masking
from tornado_trio.wire.websocket.masking import apply_mask, mask_in_python

both = pytest.mark.parametrize("mask", [apply_mask, mask_in_python])


@both
@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 1000, 65537])
def test_any_length(mask: object, size: int) -> None:
    data, key = os.urandom(size), os.urandom(4)
    expected = bytes(byte ^ key[index & 3] for index, byte in enumerate(data))
    for kind in (bytes, bytearray, memoryview):
        assert mask(kind(data), key) == expected  # type: ignore[operator]


@both
@pytest.mark.parametrize("key", [b"", b"abc", b"abcde"])
def test_keys_of_other_lengths(mask: object, key: bytes) -> None:
    # The C code must not read past a short key (CVE-2026-49854 was that).
    with pytest.raises(ValueError):
        mask(b"data", key)  # type: ignore[operator]


@both
def test_slices_of_a_larger_buffer(mask: object) -> None:
    whole = bytearray(os.urandom(100))
    for start in range(9):
        view = memoryview(whole)[start : start + 50]
        assert mask(mask(view, b"abcd"), b"abcd") == bytes(view)  # type: ignore[operator]


def test_a_programs_own_websockets_module_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "websockets.py").write_text("raise SystemExit('imported')\n")
    root = Path(__file__).parents[3]
    program = "import tornado_trio.websocket, sys; assert 'websockets' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=30)


def test_the_extension_is_found_without_its_package() -> None:
    pytest.importorskip("websockets.speedups")
    program = (
        "import sys; from tornado_trio.wire.websocket import masking;"
        "assert 'websockets' not in sys.modules;"
        "assert masking.apply_mask is not masking.mask_in_python"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "websockets", raising=False)
    monkeypatch.setattr(sys, "path", [])
    assert masking._load() is None


def test_an_extension_that_cannot_be_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from importlib.machinery import EXTENSION_SUFFIXES

    (tmp_path / "websockets").mkdir()
    (tmp_path / "websockets" / f"speedups{EXTENSION_SUFFIXES[0]}").write_bytes(b"not a library")
    monkeypatch.delitem(sys.modules, "websockets", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert masking._load() is None
