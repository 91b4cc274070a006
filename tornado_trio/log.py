"""The library's loggers, a readable log format, and the options that choose them.

Knows the standard `logging` and terminals; must not know the option parser (it is handed
one) nor anything that logs.

- `tornado.access`: one line per request.
- `tornado.application`: uncaught exceptions of the program's own code.
- `tornado.general`: everything else, errors and warnings of the library among them.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any, Literal

from ._util.current import current_request
from ._util.records import dataclass

__all__ = [
    "LogFormatter",
    "LogSettings",
    "RequestFilter",
    "access_log",
    "app_log",
    "define_logging_options",
    "enable_pretty_logging",
    "gen_log",
]

access_log = logging.getLogger("tornado.access")
app_log = logging.getLogger("tornado.application")
gen_log = logging.getLogger("tornado.general")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogSettings:
    """What `enable_pretty_logging` reads; an option parser with the same names does too."""

    logging: str | None = "info"
    """Level of the logger; None or "none" leaves logging as it is."""
    log_to_stderr: bool | None = None
    """None: to stderr unless there is a file."""
    log_file_prefix: str | None = None
    """Path of the log file; rotated ones have a suffix. None: no file."""
    log_file_max_size: int = 100 * 1000 * 1000
    """Bytes; a file that reaches it is rotated (mode "size")."""
    log_file_num_backups: int = 10
    """Rotated files to keep."""
    log_rotate_when: str = "midnight"
    """Unit of the interval, as `logging.handlers.TimedRotatingFileHandler` has it (mode "time")."""
    log_rotate_interval: int = 1
    """How many units there are from one file to the next (mode "time")."""
    log_rotate_mode: str = "size"
    """ "size" or "time"."""


def _stderr_supports_color() -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "") in ("dumb", "unknown"):
        return False
    try:
        if not sys.stderr.isatty():
            return False
    except (AttributeError, ValueError):
        # stderr may be None (pythonw), an object without isatty, or closed.
        return False
    if sys.platform == "win32":
        # Old consoles show escape codes as text unless colorama translates them.
        return "WT_SESSION" in os.environ or "colorama" in sys.modules
    return "TERM" in os.environ


class RequestFilter(logging.Filter):
    """Puts `request_id`, `route`, `trace_id` and `span_id` into every record logged for a request.

    To be added to a handler, or to a logger. `LogFormatter("%(request_id)s %(route)s %(message)s")`
    shows them. Trace and span are OpenTelemetry's, where the program uses its API.

    Args:
        missing: the value of fields that a record lacks, so that formats may name them; None: leave
            them out, for formats that show what is present (JSON).
    """

    def __init__(self, missing: str | None = "-") -> None:
        super().__init__()
        self.missing = missing

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True: no record is dropped. Existing attributes of a record are kept."""
        found: dict[str, str | None] = dict.fromkeys(("request_id", "route"))
        exchange = current_request.get(None)
        if exchange is not None:
            found["request_id"], found["route"] = exchange.request_id, exchange.route_pattern
        found["trace_id"], found["span_id"] = _trace_ids()
        for name, value in found.items():
            value = value or self.missing
            if value is not None and not hasattr(record, name):
                setattr(record, name, value)
        return True


def _trace_ids() -> tuple[str | None, str | None]:
    """The ids of the current span; none if OpenTelemetry has not been imported."""
    trace = sys.modules.get("opentelemetry.trace")
    span = None if trace is None else trace.get_current_span().get_span_context()
    if trace is None or span is None or not span.is_valid:
        return None, None
    return trace.format_trace_id(span.trace_id), trace.format_span_id(span.span_id)


class LogFormatter(logging.Formatter):
    """One line per record with a coloured prefix, further lines indented.

    Colour is used only when stderr is a terminal that can show it. Formatting
    never raises. Newlines are indented so that no record can forge another; untrusted text
    is best logged with %r.
    """

    DEFAULT_FORMAT = (
        "%(color)s[%(levelname)1.1s %(asctime)s %(module)s:%(lineno)d]%(end_color)s %(message)s"
    )
    DEFAULT_DATE_FORMAT = "%y%m%d %H:%M:%S"
    DEFAULT_COLORS = {
        logging.DEBUG: 4,  # blue
        logging.INFO: 2,  # green
        logging.WARNING: 3,  # yellow
        logging.ERROR: 1,  # red
        logging.CRITICAL: 5,  # magenta
    }

    def __init__(
        self,
        fmt: str = DEFAULT_FORMAT,
        datefmt: str = DEFAULT_DATE_FORMAT,
        style: Literal["%", "{", "$"] = "%",
        color: bool = True,
        colors: dict[int, int] = DEFAULT_COLORS,
    ) -> None:
        """
        Args:
            fmt: format of the line; `%(color)s` and `%(end_color)s` frame what is coloured.
            datefmt: `time.strftime` format of `%(asctime)s`.
            style: of `fmt`, as in `logging.Formatter`; messages are always %-style.
            color: False for no colour even on a terminal.
            colors: ANSI colour number per level.
        """
        super().__init__(fmt=fmt, datefmt=datefmt, style=style)
        self._colors: dict[int, str] = {}
        self._normal = ""
        # The last second seen, the format then, and the text of both.
        self._last_time: tuple[int, str | None, str] = (-1, None, "")
        if color and _stderr_supports_color():
            self._colors = {level: f"\033[3{code}m" for level, code in colors.items()}
            self._normal = "\033[0m"

    def format(self, record: logging.LogRecord) -> str:
        """The text of `record`, exception included."""
        try:
            record.message = record.getMessage()
        except Exception as error:
            # A bad format string or argument must not lose the record (nor raise here, where
            # logging would print it to stderr and go on without it).
            record.message = f"Bad message ({error!r}): {record.__dict__!r}"
        record.asctime = self._time(record)
        fields = record.__dict__
        color = self._colors.get(record.levelno)
        if color is None:
            fields["color"] = fields["end_color"] = ""
        else:
            fields["color"] = color
            fields["end_color"] = self._normal
        formatted = self.formatMessage(record)
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            formatted = "\n".join([formatted.rstrip(), *record.exc_text.split("\n")])
        if record.stack_info:
            formatted = f"{formatted}\n{self.formatStack(record.stack_info)}"
        return formatted.replace("\n", "\n    ")

    def _time(self, record: logging.LogRecord) -> str:
        """The record's time; strftime once a second (1.9 us a record instead of 2.8)."""
        if self.datefmt is None or type(self).formatTime is not logging.Formatter.formatTime:
            return self.formatTime(record, self.datefmt)
        second, datefmt, text = self._last_time
        if second != int(record.created) or datefmt is not self.datefmt:
            text = self.formatTime(record, self.datefmt)
            # One assignment: threads format at the same time.
            self._last_time = (int(record.created), self.datefmt, text)
        return text


def enable_pretty_logging(
    options: Any = LogSettings(),  # noqa: B008 - frozen
    logger: logging.Logger | None = None,
) -> None:
    """Log as `options` say: level, files with rotation, or stderr in colour.

    Args:
        options: a `LogSettings`, or an option parser on which `define_logging_options` was
            called.
        logger: the logger to set up; the root logger when None.

    Raises:
        ValueError: `log_rotate_mode` is neither "size" nor "time".
    """
    level = options.logging
    if level is None or level.lower() == "none":
        return
    if logger is None:
        logger = logging.getLogger()
    logger.setLevel(getattr(logging, level.upper()))
    if options.log_file_prefix:
        handler = _file_handler(options)
        handler.setFormatter(LogFormatter(color=False))
        logger.addHandler(handler)
    if options.log_to_stderr or (options.log_to_stderr is None and not logger.handlers):
        stream_handler = logging.StreamHandler()
        stream_handler.setFormatter(LogFormatter())
        logger.addHandler(stream_handler)


def _file_handler(options: Any) -> logging.Handler:
    import logging.handlers  # sockets, queues and pickle with it: few need a file

    mode = options.log_rotate_mode
    if mode == "size":
        return logging.handlers.RotatingFileHandler(
            filename=options.log_file_prefix,
            maxBytes=options.log_file_max_size,
            backupCount=options.log_file_num_backups,
            encoding="utf-8",
        )
    if mode == "time":
        return logging.handlers.TimedRotatingFileHandler(
            filename=options.log_file_prefix,
            when=options.log_rotate_when,
            interval=options.log_rotate_interval,
            backupCount=options.log_file_num_backups,
            encoding="utf-8",
        )
    raise ValueError(
        f'The value of log_rotate_mode option should be "size" or "time", not "{mode}".'
    )


#: Option -> the arguments of `define`, but for its default.
_OPTIONS: dict[str, dict[str, Any]] = {
    "logging": {
        "help": "Set the Python log level. If 'none', tornado won't touch the logging "
        "configuration.",
        "metavar": "debug|info|warning|error|none",
    },
    "log_to_stderr": {
        "type": bool,
        "help": "Send log output to stderr (colorized if possible). By default use stderr if "
        "--log_file_prefix is not set and no other logging is configured.",
    },
    "log_file_prefix": {
        "type": str,
        "metavar": "PATH",
        "help": "Path prefix for log files. Note that if you are running multiple processes, "
        "log_file_prefix must be different for each of them (e.g. include the port number)",
    },
    "log_file_max_size": {"type": int, "help": "max size of log files before rollover"},
    "log_file_num_backups": {"type": int, "help": "number of log files to keep"},
    "log_rotate_when": {
        "type": str,
        "help": "specify the type of TimedRotatingFileHandler interval; "
        "other options: ('S', 'M', 'H', 'D', 'W0'-'W6')",
    },
    "log_rotate_interval": {"type": int, "help": "The interval value of timed rotating"},
    "log_rotate_mode": {"type": str, "help": "The mode of rotating files (time or size)"},
}


def define_logging_options(
    options: Any, enable: Callable[[Any], None] = enable_pretty_logging
) -> None:
    """Define the logging options on a parser, and have it set up logging once parsed.

    Args:
        options: an `OptionParser`, or anything with its `define` and `add_parse_callback`.
        enable: what to call with the parser when parsing is done.
    """
    defaults = LogSettings()
    for name, arguments in _OPTIONS.items():
        options.define(name, default=getattr(defaults, name), **arguments)
    options.add_parse_callback(lambda: enable(options))
