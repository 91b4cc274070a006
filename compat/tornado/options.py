"""Tornado's `options`: the native module under Tornado's name.

from tornado.options import define, options, parse_command_line
"""

from tornado._impl.names import handing_on, shown_in

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

shown_in("tornado.options", Error)

__getattr__ = handing_on("tornado.options")
