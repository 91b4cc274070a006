"""Tornado's locales: the native implementation under its old name."""

from typing import TYPE_CHECKING, Any

from tornado._impl.assigned import assignable, attribute
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


def _translations() -> Any:
    return catalogue.csv if catalogue.gettext is None else catalogue.gettext


def _set_translations(loaded: Any) -> None:
    if catalogue.gettext is None:
        catalogue.csv = loaded
    else:
        catalogue.gettext = loaded


def _set_use_gettext(use: bool) -> None:
    loaded: Any = _translations()
    catalogue.csv, catalogue.gettext = ({}, loaded) if use else (loaded, None)


# Module variables of upstream that programs have come to read, and tests to replace.
for _name, _read, _write in (
    ("_translations", _translations, _set_translations),
    ("_use_gettext", lambda: catalogue.gettext is not None, _set_use_gettext),
    ("_supported_locales", *attribute(catalogue, "supported")),
    ("_default_locale", *attribute(catalogue, "default")),
):
    assignable(__name__, _name, _read, _write)

if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.locale")
