"""Tornado's template language: the native implementation under its old name."""

from typing import TYPE_CHECKING

from tornado._impl.names import handing_on, shown_in

from tornado_trio.template import (
    BaseLoader,
    DictLoader,
    Loader,
    ParseError,
    Template,
    filter_whitespace,
)

__all__ = ["BaseLoader", "DictLoader", "Loader", "ParseError", "Template", "filter_whitespace"]

shown_in("tornado.template", ParseError)

if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.template")
