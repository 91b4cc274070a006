"""Logging of a service whose program has not set it up: readable lines, or JSON.

Knows the standard `logging`. It replaces Python's "handler of last resort", so that a program's own
logging, set up at any time, takes precedence.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from ..log import LogFormatter, RequestFilter, access_log
from .settings import Settings

__all__ = ["JsonFormatter", "set_up_logging"]

_NEVER = logging.CRITICAL + 1
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (seconds since 1970), level, logger, message, and more.

    What a program passes as `extra` is included under its names; an exception is text, `exception`.

    Args:
        fields: added to each line.
    """

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line break in it. Never raises."""
        try:
            message = record.getMessage()
        except Exception as error:
            # As in LogFormatter: a bad format string must not lose the record.
            message = f"Bad message ({error!r}): {record.msg!r} {record.args!r}"
        line = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            **self._fields,
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD and name != "end_color":
                line.setdefault(name, value)
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, default=str)


def set_up_logging(settings: Settings, number: int | None = None) -> None:
    """Lines from INFO on to stderr, unless the program has set up logging.

    Args:
        settings: `log_format` and `access_log` are read.
        number: of the worker, shown in each line.
    """
    if not settings.access_log:
        access_log.setLevel(_NEVER)
    root = logging.getLogger()
    if root.handlers or sys.stderr is None:
        return
    handler = logging.StreamHandler()
    if settings.log_format == "json":
        handler.addFilter(RequestFilter(missing=None))
        handler.setFormatter(JsonFormatter(**({} if number is None else {"worker": number})))
    else:
        form = LogFormatter.DEFAULT_FORMAT
        if number is not None:
            form = form.replace("%(asctime)s", f"%(asctime)s w{number}")
        handler.setFormatter(LogFormatter(form))
    logging.lastResort = handler
    if root.level == logging.WARNING:  # as Python sets it; a program's own choice stays
        root.setLevel(logging.INFO)
