"""Tornado's `options`: the native module under Tornado's name.

from tornado.options import define, options, parse_command_line
"""

from typing import Any

from tornado_trio.options import (
    Error,
    OptionParser,
    add_parse_callback,
    define,
    options,
    parse_command_line,
    parse_config_file,
    print_help,
)

__all__ = [
    "Error",
    "OptionParser",
    "add_parse_callback",
    "define",
    "options",
    "parse_command_line",
    "parse_config_file",
    "print_help",
]


def __getattr__(name: str) -> Any:
    if name == "enable_pretty_logging":  # here until Tornado 3
        from tornado.log import enable_pretty_logging

        return enable_pretty_logging
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
