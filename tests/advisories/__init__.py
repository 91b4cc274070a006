"""All lines, by where they come from. See `line` for what a line is."""

from __future__ import annotations

from .libraries import AIOHTTP, PROTOCOL_LIBRARIES
from .line import Line
from .servers import BEYOND_H11, FORMS_AND_FILES, SERVERS
from .tornado import BETTER_THAN_TORNADO, TORNADO

__all__ = ["LINES", "Line"]

LINES: list[Line] = [
    *TORNADO,
    *PROTOCOL_LIBRARIES,
    *AIOHTTP,
    *FORMS_AND_FILES,
    *SERVERS,
    *BEYOND_H11,
    *BETTER_THAN_TORNADO,
]
