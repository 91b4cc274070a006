"""Tornado's locales: the native implementation under its old name."""

from typing import Any

from tornado._impl.names import handing_on

from tornado_trio.locale import (
    CONTEXT_SEPARATOR,
    LOCALE_NAMES,
    CSVLocale,
    GettextLocale,
    Locale,
    catalogue,
    get,
    get_supported_locales,
    load_gettext_translations,
    load_translations,
    set_default_locale,
)

__all__ = [
    "CONTEXT_SEPARATOR",
    "LOCALE_NAMES",
    "CSVLocale",
    "GettextLocale",
    "Locale",
    "get",
    "get_supported_locales",
    "load_gettext_translations",
    "load_translations",
    "set_default_locale",
]


def __getattr__(name: str) -> Any:
    # Module variables of upstream that programs have come to read.
    if name == "_translations":
        return catalogue.csv if catalogue.gettext is None else catalogue.gettext
    if name == "_supported_locales":
        return catalogue.supported
    if name == "_use_gettext":
        return catalogue.gettext is not None
    if name == "_default_locale":
        return catalogue.default
    return _elsewhere(name)


_elsewhere = handing_on("tornado.locale")
