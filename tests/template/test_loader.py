"""Loaders: names, caching, files, threads."""

import threading
from pathlib import Path

import pytest

from tornado_trio.template import BaseLoader, DictLoader, Loader, Template


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "t" / "sub").mkdir(parents=True)
    (tmp_path / "t" / "base.html").write_text("<{% block b %}{% end %}>")
    (tmp_path / "t" / "sub" / "page.html").write_text(
        "{% extends ../base.html %}{% block b %}{% include part.html %}{% end %}"
    )
    (tmp_path / "t" / "sub" / "part.html").write_bytes("é".encode())
    return tmp_path / "t"


def test_files(root: Path) -> None:
    loader = Loader(str(root))
    assert loader.load("sub/page.html").generate() == "<é>".encode()
    assert sorted(loader.templates) == ["base.html", "sub/page.html", "sub/part.html"]
    with pytest.raises(FileNotFoundError):
        loader.load("missing.html")


def test_cache_and_reset(root: Path) -> None:
    loader = Loader(str(root))
    first = loader.load("base.html")
    (root / "base.html").write_text("new")
    assert loader.load("base.html") is first
    loader.reset()
    assert loader.load("base.html").generate() == b"new"


def test_resolve_path_of_files(root: Path) -> None:
    (root.parent / "t2").mkdir()
    loader = Loader(str(root))
    assert loader.resolve_path("a", "b/c") == "b/a"
    assert loader.resolve_path("../a", "b/c") == "a"
    assert loader.resolve_path("./b", "x/y") == "x/b"
    assert loader.resolve_path("a/../b", None) == "a/../b"
    assert loader.resolve_path("/a", "b") == "/a"
    assert loader.resolve_path("a", "/b/c") == "a"
    assert loader.resolve_path("a", "<string>") == "a"
    # A neighbour whose name starts with the root's is outside of it.
    assert loader.resolve_path("../t2/x", "y") == "../t2/x"


def test_resolve_path_of_dictionaries() -> None:
    loader = DictLoader({})
    assert loader.resolve_path("../a", "b") == "../a"
    assert loader.resolve_path("../../a", "b/c/d") == "a"
    assert loader.resolve_path("./b", "x/y") == "x/b"
    assert loader.resolve_path("/abs", "x/y") == "/abs"
    assert loader.resolve_path("a/../b") == "a/../b"


def test_a_loader_of_ones_own() -> None:
    class Upper(BaseLoader):
        def resolve_path(self, name: str, parent_path: str | None = None) -> str:
            return name.upper()

        def _create_template(self, name: str) -> Template:
            return Template(f"this is {name}", name=name, loader=self)

    assert Upper().load("abc").generate() == b"this is ABC"
    with pytest.raises(NotImplementedError):
        BaseLoader().load("x")


def test_a_failed_load_may_be_repeated(root: Path) -> None:
    loader = Loader(str(root))
    (root / "bad.html").write_text("{% if %}")
    for _ in range(2):
        with pytest.raises(Exception, match="Missing"):
            loader.load("bad.html")
    (root / "bad.html").write_text("good")
    assert loader.load("bad.html").generate() == b"good"


def test_threads_share_one_template(root: Path) -> None:
    loader = Loader(str(root))
    made: list[Template] = []
    gate = threading.Barrier(8)

    def load() -> None:
        gate.wait(10)
        made.append(loader.load("sub/page.html"))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(made) == 8
    assert len({id(template) for template in made}) == 1
