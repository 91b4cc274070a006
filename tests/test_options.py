"""OptionParser: definitions, command lines, config files, help, mocking."""

from __future__ import annotations

import datetime
import io
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tornado_trio.options import Error, OptionParser, options


@pytest.fixture
def parser() -> OptionParser:
    return OptionParser()


def test_names_are_the_same_with_dashes_and_underscores(parser: OptionParser) -> None:
    parser.define("my-port", default=80)
    parser.parse_command_line(["prog", "--my_port=81"])
    assert parser.my_port == parser["my-port"] == 81
    assert "my_port" in parser
    with pytest.raises(Error, match=r"'my-port' already defined in .*test_options\.py"):
        parser.define("my_port")


def test_type_comes_from_the_default(parser: OptionParser) -> None:
    parser.define("a", default=1.5)
    parser.define("b")
    parser.parse_command_line(["prog", "--a=2", "--b=3"])
    assert (parser.a, parser.b) == (2.0, "3")


@pytest.mark.parametrize(
    ("arguments", "remaining"),
    [
        (["--n=1", "file", "--n=2"], ["file", "--n=2"]),
        (["--n=1", "--", "--n=2"], ["--n=2"]),
        (["-n=1"], []),
    ],
)
def test_command_line_ends(
    parser: OptionParser, arguments: list[str], remaining: list[str]
) -> None:
    parser.define("n", type=int)
    assert parser.parse_command_line(["prog", *arguments]) == remaining
    assert parser.n == 1


def test_booleans(parser: OptionParser) -> None:
    parser.define("a", type=bool)
    parser.define("b", type=bool)
    parser.define("c", default=True)
    parser.parse_command_line(["prog", "--a", "--b=F", "--c=false"])
    assert (parser.a, parser.b, parser.c) == (True, False, False)


def test_lists_and_ranges(parser: OptionParser) -> None:
    parser.define("n", type=int, multiple=True)
    parser.define("s", multiple=True)
    assert parser.n == []
    parser.parse_command_line(["prog", "--n=1,3:5", "--s=a,b"])
    assert parser.n == [1, 3, 4, 5]
    assert parser.s == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    ["2026-05-04 03:02:00", "2026-05-04T03:02", "20260504 03:02", "Mon May 04 03:02:00 2026"],
)
def test_datetimes(parser: OptionParser, text: str) -> None:
    parser.define("when", type=datetime.datetime)
    parser.parse_command_line(["prog", f"--when={text}"])
    assert parser.when == datetime.datetime(2026, 5, 4, 3, 2)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1h30m", 5400), ("2.5 minutes", 150), ("1d 1ms", 86400.001), ("-5s", -5)],
)
def test_timedeltas(parser: OptionParser, text: str, seconds: float) -> None:
    parser.define("wait", type=datetime.timedelta)
    parser.parse_command_line(["prog", f"--wait={text}"])
    assert parser.wait == datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize("arguments", [["--when=soon"], ["--wait=x"], ["--wait=1 parsec"]])
def test_bad_times_are_errors(parser: OptionParser, arguments: list[str]) -> None:
    parser.define("when", type=datetime.datetime)
    parser.define("wait", type=datetime.timedelta)
    with pytest.raises(Error):
        parser.parse_command_line(["prog", *arguments])


@pytest.mark.parametrize("argument", ["--n=x", "--many=1,x", "--wait=x"])
def test_bad_values_are_errors_that_name_the_option(parser: OptionParser, argument: str) -> None:
    parser.define("n", type=int)
    parser.define("many", type=int, multiple=True)
    parser.define("wait", type=datetime.timedelta)
    with pytest.raises((Error, ValueError)) as caught:
        parser.parse_command_line(["prog", argument])
    name, _, value = argument[2:].partition("=")
    assert caught.value.__notes__ == [f"This is the value of the option {name!r}: {value!r}"]


def test_missing_value_and_unknown_option(
    parser: OptionParser, capsys: pytest.CaptureFixture[str]
) -> None:
    parser.define("n", type=int, help="a number")
    with pytest.raises(Error, match="'n' requires a value"):
        parser.parse_command_line(["prog", "--n"])
    with pytest.raises(Error, match="Unrecognized command line option: 'x'"):
        parser.parse_command_line(["prog", "--x"])
    assert "a number" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("n", "1"), ("l", 1), ("l", ["a"]), ("n", 1.5)])
def test_assignment_checks_types(parser: OptionParser, name: str, value: Any) -> None:
    parser.define("n", type=int)
    parser.define("l", type=int, multiple=True)
    with pytest.raises(Error, match="is required to be a"):
        parser[name] = value
    parser[name] = None if name == "n" else [1, None]


def test_unknown_attribute(parser: OptionParser) -> None:
    with pytest.raises(AttributeError, match="Unrecognized option 'nope'"):
        _ = parser.nope
    with pytest.raises(AttributeError, match="Unrecognized option 'nope'"):
        parser.nope = 1


def test_config_file(parser: OptionParser, tmp_path: Path) -> None:
    parser.define("port", type=int)
    parser.define("name")
    parser.define("hosts", multiple=True)
    parser.define("here")
    config = tmp_path / "app.conf"
    config.write_text(
        'import os\nport = "81"\nname = "é"\nhosts = "a,b"\nhere = os.path.basename(__file__)\n',
        encoding="utf-8",
    )
    done: list[int] = []
    parser.add_parse_callback(lambda: done.append(parser.port))
    parser.parse_config_file(str(config), final=False)
    assert done == []
    parser.parse_config_file(str(config))
    assert done == [81]
    assert (parser.name, parser.hosts, parser.here) == ("é", ["a", "b"], "app.conf")


def test_config_file_with_wrong_type(parser: OptionParser, tmp_path: Path) -> None:
    parser.define("hosts", multiple=True)
    config = tmp_path / "app.conf"
    config.write_text("hosts = 3")
    with pytest.raises(Error, match="'hosts' is required to be a list of str"):
        parser.parse_config_file(str(config))


def test_option_callback_may_read_a_config_file(parser: OptionParser, tmp_path: Path) -> None:
    config = tmp_path / "app.conf"
    config.write_text("port = 81")
    parser.define("port", default=80)
    parser.define("config", callback=lambda path: parser.parse_config_file(path, final=False))
    parser.parse_command_line(["prog", f"--config={config}"])
    assert parser.port == 81


def test_groups(parser: OptionParser) -> None:
    parser.define("a", default=1, group="g")
    parser.define("b", default=2)
    assert parser.groups() == {"g", "", __file__}
    assert parser.group_dict("g") == {"a": 1}
    assert parser.group_dict("") == parser.as_dict() == {"help": None, "a": 1, "b": 2}


def test_help(parser: OptionParser, capsys: pytest.CaptureFixture[str]) -> None:
    parser.define("long_name", default=3, metavar="N", help="word " * 20, group="Things")
    out = io.StringIO()
    parser.print_help(out)
    lines = out.getvalue().splitlines()
    assert "Things options:" in lines
    first = next(line for line in lines if "--long-name=N" in line)
    assert first.startswith("  --long-name=N                    word word")
    assert "(default 3)" in out.getvalue()
    assert max(map(len, lines[1:])) <= 80
    with pytest.raises(SystemExit) as exit:
        parser.parse_command_line(["prog", "--help"])
    assert exit.value.code == 0
    assert "long-name" in capsys.readouterr().err


def test_mockable(parser: OptionParser) -> None:
    parser.define("n", default=1)
    with mock.patch.object(parser.mockable(), "n", 2):
        assert parser.n == 2
    assert parser.n == 1
    view = parser.mockable()
    view.n = 5
    with pytest.raises(AssertionError, match="mocked already"):
        view.n = 6


def test_the_global_parser_has_the_logging_options() -> None:
    assert options.logging == "info"
    assert "log_file_prefix" in options
