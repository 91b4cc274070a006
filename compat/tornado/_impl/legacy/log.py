"""`tornado.options._LogFormatter`, the formatter of Tornado 2."""

from __future__ import annotations

from typing import Any

from tornado.log import LogFormatter

__all__ = ["_LogFormatter"]


class _LogFormatter(LogFormatter):
    """Its first argument is whether to colour."""

    def __init__(self, color: bool, *args: Any, **kwargs: Any) -> None:
        kwargs["color"] = color
        super().__init__(*args, **kwargs)
