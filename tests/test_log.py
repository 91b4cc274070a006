"""LogFormatter and the set-up of logging."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler, TimedRotatingFileHandler
from pathlib import Path

import pytest

from tornado_trio.log import LogFormatter, LogSettings, enable_pretty_logging
from tornado_trio.options import OptionParser


def record(message: object, *args: object, **kwargs: object) -> logging.LogRecord:
    return logging.LogRecord("name", logging.ERROR, "app.py", 7, message, args, None, **kwargs)  # type: ignore[arg-type]


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.Logger("separate")
    yield logger
    for handler in logger.handlers:
        handler.close()


def test_plain_line() -> None:
    line = LogFormatter(color=False, datefmt="D").format(record("hello %s", "you"))
    assert line == "[E D app:7] hello you"


def test_color_only_where_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    line = LogFormatter(datefmt="D").format(record("x"))
    assert line == "\033[31m[E D app:7]\033[0m x"
    monkeypatch.setenv("TERM", "dumb")
    assert LogFormatter(datefmt="D").format(record("x")) == "[E D app:7] x"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", None)
    assert LogFormatter(datefmt="D").format(record("x")) == "[E D app:7] x"


def test_further_lines_are_indented() -> None:
    forged = LogFormatter(color=False).format(record("one\n[I 010101 00:00:00 x:1] two"))
    assert "\n    [I" in forged


def test_bad_arguments_do_not_lose_the_record() -> None:
    line = LogFormatter(color=False).format(record("%d", "x"))
    assert "Bad message (TypeError(" in line
    assert "'args': ('x',)" in line


def test_exception_and_stack() -> None:
    try:
        raise ValueError("é\udcff")
    except ValueError:
        shown = logging.LogRecord("n", 40, "app.py", 7, "m", (), sys.exc_info())
    text = LogFormatter(color=False).format(shown)
    assert "\n    Traceback" in text
    assert "ValueError" in text
    assert "\n    a stack" in LogFormatter().format(record("m", sinfo="a stack"))


@pytest.mark.parametrize("style", ["{", "$"])
def test_other_styles(style: str) -> None:
    formats = {"{": "{color}{message}{end_color}", "$": "${color}${message}${end_color}"}
    formatter = LogFormatter(fmt=formats[style], style=style, color=False)  # type: ignore[arg-type]
    assert formatter.format(record("%s", "m")) == "m"


def test_level_none_leaves_logging_alone(logger: logging.Logger) -> None:
    logger.setLevel(logging.CRITICAL)
    enable_pretty_logging(LogSettings(logging="none"), logger)
    enable_pretty_logging(LogSettings(logging=None), logger)
    assert logger.level == logging.CRITICAL
    assert logger.handlers == []


def test_stderr_is_the_default(logger: logging.Logger) -> None:
    enable_pretty_logging(logger=logger)
    assert logger.level == logging.INFO
    assert [type(handler) for handler in logger.handlers] == [logging.StreamHandler]
    enable_pretty_logging(logger=logger)
    assert len(logger.handlers) == 1


def test_files(logger: logging.Logger, tmp_path: Path) -> None:
    prefix = str(tmp_path / "log")
    enable_pretty_logging(LogSettings(log_file_prefix=prefix), logger)
    enable_pretty_logging(
        LogSettings(log_file_prefix=prefix, log_rotate_mode="time", log_to_stderr=True), logger
    )
    assert [type(handler) for handler in logger.handlers] == [
        RotatingFileHandler,
        TimedRotatingFileHandler,
        logging.StreamHandler,
    ]
    logger.error("é")
    assert "é" in (tmp_path / "log").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match='not "weekly"'):
        enable_pretty_logging(LogSettings(log_file_prefix=prefix, log_rotate_mode="weekly"), logger)


def test_options_set_up_logging_when_parsed() -> None:
    from tornado_trio.log import define_logging_options

    parser = OptionParser()
    seen = []
    define_logging_options(parser, enable=lambda given: seen.append(given.logging))
    parser.parse_command_line(["prog", "--logging=debug"])
    assert seen == ["debug"]
