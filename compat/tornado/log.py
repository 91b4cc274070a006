"""Tornado's `log`: the native module, with the program's options as the default.

The native functions are handed their options; Tornado's fall back to the global ones.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tornado._impl.names import handing_on

import tornado_trio.log
from tornado_trio.log import LogFormatter as LogFormatter
from tornado_trio.log import _stderr_supports_color as _stderr_supports_color  # formatters ask it
from tornado_trio.log import access_log as access_log
from tornado_trio.log import app_log as app_log
from tornado_trio.log import gen_log as gen_log


def enable_pretty_logging(options: Any = None, logger: logging.Logger | None = None) -> None:
    """Set up formatted logging as `options` (default: the program's) say."""
    if options is None:
        import tornado.options

        options = tornado.options.options
    tornado_trio.log.enable_pretty_logging(options, logger)


def define_logging_options(options: Any = None) -> None:
    """Add the logging options to `options` (default: the program's, which have them)."""
    if options is None:
        import tornado.options

        options = tornado.options.options
    tornado_trio.log.define_logging_options(options)


if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.log")
