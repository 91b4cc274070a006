"""Speed beside other servers: the scripts run, and pages and charts are those of the data file."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "benchmarks"
DATA = ROOT / "docs" / "speed.json"
NAMES = ("load", "profile_request", "stacks", "cases", "compare", "ends", "measurements")
NAMES += ("speed_charts", "speed_report", "side_by_side")
SECTION = {
    "title": "Hello & more",
    "unit": "µs",
    "curve": False,
    "day": "2026-01-02",
    "python": "3.13.1",
    "how": "python it.py",
    "note": "a quiet machine",
    "versions": "tornado 6.6.1",
    "columns": ["hello", "echo"],
    "rows": {"native": [12.34, 1234.5], "compat": [20.0, 9.0], "Tornado": [100.0, None]},
}


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield {name: __import__(name) for name in NAMES}
    for name in NAMES:
        sys.modules.pop(name, None)


def test_table(scripts: dict[str, ModuleType]) -> None:
    lines = scripts["speed_report"].table(SECTION).splitlines()
    assert lines[0] == "| µs | hello | echo |"
    assert lines[2] == "| native | 12.3 | 1,234 |"
    assert lines[4] == "| Tornado | 100 | – |"
    assert "2026-01-02" in lines[-1] and "a quiet machine" in lines[-1]


@pytest.mark.parametrize("curve", [False, True])
def test_chart(scripts: dict[str, ModuleType], curve: bool) -> None:
    section = dict(SECTION, curve=curve)
    if curve:
        section["columns"] = ["1", "10", "100"]
        section["rows"] = {"native": [1.0, 2.0, 4.0], "Tornado": [10.0, None, 40.0]}
    drawn = scripts["speed_charts"].chart(section)
    root = ElementTree.fromstring(drawn)
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "Hello & more"
    assert "prefers-color-scheme: dark" in drawn
    if curve:
        lines = list(root.iter("{http://www.w3.org/2000/svg}polyline"))
        assert [len(line.attrib["points"].split()) for line in lines] == [3, 2]
        assert "native 4.00" in texts and "Tornado 40.0" in texts
    else:
        bars = list(root.iter("{http://www.w3.org/2000/svg}rect"))
        widths = [float(bar.attrib["width"]) for bar in bars]
        assert widths == sorted(widths[:3]) + sorted(widths[3:])  # the shortest first
        assert len(widths) == 5 and widths[0] == pytest.approx(0.1234 * widths[2], abs=0.1)


def test_rows_of_the_readme(scripts: dict[str, ModuleType]) -> None:
    report = scripts["speed_report"]
    (row,) = report.figures_rows({"instructions": SECTION})
    assert row["what"] == "Thousand instructions for a hello"
    assert (row["here"], row["beside"]) == ("native 12, compat 20", "Tornado 100")
    lost = dict(SECTION, columns=["lost of 500"], rows={"native": [0], "Tornado": [500]})
    (row,) = report.figures_rows({"ends": lost})
    assert (row["here"], row["beside"]) == ("native 0", "Tornado 500")
    assert list(report.figures_rows({"instructions": dict(SECTION, columns=["json", "b"])})) == []


def test_ratios(scripts: dict[str, ModuleType]) -> None:
    """Times of Tornado's speed; the fastest first in the chart."""
    report = scripts["speed_report"]
    found = report.ratios(SECTION)
    assert found["rows"]["compat"] == [5.0, None]
    assert found["rows"]["Tornado"] == [1.0, None]
    root = ElementTree.fromstring(scripts["speed_charts"].chart(found))
    widths = [float(r.attrib["width"]) for r in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths == sorted(widths, reverse=True)
    text = report.front(SECTION, "pictures")
    assert "| native | 8.1 | – |" in text and "(pictures/speed-ratios.svg)" in text


def test_pages_and_charts_are_those_of_the_data(scripts: dict[str, ModuleType]) -> None:
    report = scripts["speed_report"]
    data = json.loads(DATA.read_text())
    assert list(data) == list(scripts["measurements"].SECTIONS)
    assert len({section["run"] for section in data.values()}) == 1  # `make bench`, once
    for name, shown in report.pages(data).items():
        assert report.page(shown) in (ROOT / "docs" / "discussion" / name).read_text()
    charts = {name: data[name] for name in data if name not in report.NO_CHART}
    charts["ratios"] = report.ratios(data["requests"])
    for name, section in charts.items():
        drawn = scripts["speed_charts"].chart(section)
        assert (ROOT / "docs" / "images" / f"speed-{name}.svg").read_text() == drawn
    for name, images in report.FRONT.items():
        assert report.front(data["requests"], images) in (ROOT / name).read_text()
    rows = json.loads((ROOT / "docs" / "figures.json").read_text())["rows"]
    for row in report.figures_rows(data):
        assert row in rows


def test_write(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    """Into the marked places, twice the same; README's table by its own script."""
    report = scripts["speed_report"]
    shutil.copytree(ROOT / "docs" / "making", tmp_path / "docs" / "making")
    (tmp_path / "docs" / "images").mkdir()
    (tmp_path / "docs" / "discussion").mkdir()
    shown = [name for names in report.PAGES.values() for name in names]
    assert sorted(shown) == sorted(scripts["measurements"].SECTIONS)
    page = tmp_path / "docs" / "discussion" / "speed.md"
    page.write_text("before\n<!-- speed -->\nold\n<!-- end of speed -->\nafter\n")
    for name in report.PAGES:
        if name != page.name:
            shutil.copy(page, page.with_name(name))
    data = dict.fromkeys(("tornado", "instructions", "requests", "routes"), SECTION)
    (tmp_path / "docs" / "speed.json").write_text(json.dumps(data))
    old = {"what": next(iter(report.ROWS)), "here": "1", "beside": "", "how": "x"}
    figures = {"python": "3", "day": "today", "rows": [old]}
    (tmp_path / "docs" / "figures.json").write_text(json.dumps(figures))
    for name in ("README.md", "docs/index.md"):
        marks = "<!-- ratios -->\nold\n<!-- end of ratios -->\n"
        marks += "<!-- figures -->\n<!-- end of figures -->\n"
        (tmp_path / name).write_text(marks)
    report.write(tmp_path)
    first = page.read_text()
    report.write(tmp_path)
    assert page.read_text() == first
    other = page.with_name("speed-with-load.md").read_text()
    assert "speed-routes.svg" in other and "speed-instructions.svg" not in other
    assert first.startswith("before\n") and first.endswith("after\n") and "old" not in first
    front = (tmp_path / "README.md").read_text()
    assert "native 12, compat 20" in front
    assert "old" not in front and "docs/images/speed-ratios.svg" in front
    assert {path.name for path in (tmp_path / "docs" / "images").iterdir()} == {
        f"speed-{name}.svg" for name in ("instructions", "requests", "routes", "ratios")
    }


@pytest.mark.parametrize(
    ("words", "sections", "cases", "against"),
    [
        ([], 10, 4, None),
        (["hello", "json"], 3, 2, 3),
        (["routes"], 1, 4, None),
        (["requests", "echo"], 1, 1, 9),
        (["flood"], 1, 4, 4),
        (["nothing"], 0, 4, 0),
    ],
)
def test_only(
    scripts: dict[str, ModuleType],
    words: list[str],
    sections: int,
    cases: int,
    against: int | None,
) -> None:
    """`against`: None: all."""
    found = scripts["side_by_side"].chosen(words)
    assert (len(found.sections), len(found.cases)) == (sections, cases)
    every = scripts["cases"].CASES
    assert len(found.against) == (len(every) if against is None else against)


def test_instructions_are_a_difference(
    scripts: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting costs 900 k, each round of 16 requests 32 k."""
    module = scripts["measurements"]
    spent = [0]

    def exchange(port: int, case: str, rounds: int) -> None:
        spent[0] += 900_000 + rounds * 32_000

    def counted(server: object, folder: str) -> int:
        total, spent[0] = spent[0], 0
        return total

    @contextlib.contextmanager
    def running(*_: object, **__: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(port=1, pid=2)

    for function in (exchange, counted, running):
        monkeypatch.setattr(module, function.__name__, function)
    stacks = list(scripts["stacks"].STACKS)
    plan = module.Plan("python", ["hello", "echo"], stacks, 1, 1.0, False)
    assert module.instructions(plan)[1] == {stack.name: [2.0, 2.0] for stack in stacks}


def test_a_server_that_does_not_start_is_left_out(scripts: dict[str, ModuleType]) -> None:
    module, stacks = scripts["measurements"], scripts["stacks"]
    broken = stacks.Stack(name="broken", command=("-c", "raise SystemExit('no such thing')"))
    with pytest.raises(RuntimeError, match="broken ended: no such thing"):
        with stacks.running(broken, sys.executable):
            pass
    plan = module.Plan(sys.executable, ["hello"], [broken], 1, 0.1, True)
    assert module.requests(plan) == (["hello"], {"broken": [None]})


@pytest.mark.timeout(300)
def test_a_tiny_run(tmp_path: Path) -> None:
    """Both of our doors, which need no peers; that figures come out, not which."""
    data = tmp_path / "speed.json"
    command = [sys.executable, str(FOLDER / "side_by_side.py"), "--quick", f"--data={data}"]
    command += ["--stacks=native,compat", "--only=requests,hello,websocket,routes,bodies,engines"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(data.read_text())
    assert list(found) == ["requests", "routes", "bodies", "engines"]
    for section in found.values():
        assert f"| {section['unit']} |" in done.stdout
        for values in section["rows"].values():
            assert len(values) == len(section["columns"])
            assert None not in values, done.stderr
    assert list(found["requests"]["rows"]) == ["native", "compat"]
    assert found["requests"]["columns"] == ["hello", "websocket"]
    assert list(found["engines"]["rows"]) == ["native, engine own", "native, engine h11"]
