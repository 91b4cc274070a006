"""The overlay's package: activation, its names, its refusals."""

import compat  # isort: skip

import importlib
import os
import sys
import types

import pytest
import tornado

import tornado_trio


def test_tornado_is_ours() -> None:
    assert tornado.__file__ == os.path.join(compat.path(), "tornado", "__init__.py")
    assert (tornado.version, tornado.version_info) == ("6.6.1", (6, 6, 1, 0))
    assert tornado.trio_version == tornado_trio.__version__


def test_activation_puts_the_folder_first_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["elsewhere", compat.path(), "more", compat.path()])
    assert compat.activate() == compat.path()
    assert sys.path[:3] == [compat.path(), "elsewhere", "more"]
    compat.activate()
    assert sys.path.count(compat.path()) == 1


def test_another_tornado_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = types.ModuleType("tornado")
    other.__file__ = "/elsewhere/tornado/__init__.py"
    other.version = "4.5.3"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tornado", other)
    with pytest.raises(ImportError, match=r"\(4\.5\.3\) is already imported from /elsewhere"):
        compat.activate()


def test_no_second_copy_under_another_name() -> None:
    with pytest.raises(ImportError, match="must be imported as 'tornado'"):
        importlib.import_module("compat.tornado")


def test_names_are_tornados() -> None:
    from tornado import concurrent, gen, ioloop, queues

    assert compat.IOLoop is ioloop.IOLoop
    assert compat.PeriodicCallback is ioloop.PeriodicCallback
    assert compat.Future is concurrent.Future
    assert compat.Queue is queues.Queue
    assert compat.gen is gen
    assert compat.coroutine is gen.coroutine
    assert set(dir(compat)) == set(compat.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = compat.nope


def test_spawn_callback() -> None:
    async def main() -> str:
        future: compat.Future = compat.Future()
        compat.spawn_callback(future.set_result, "done")
        return await future

    loop = compat.IOLoop(make_current=False)
    assert loop.run_sync(main) == "done"
    loop.close()


def test_submodules_are_attributes() -> None:
    assert tornado.gen is importlib.import_module("tornado.gen")
    with pytest.raises(AttributeError, match="'tornado' has no attribute 'nope'"):
        _ = tornado.nope
