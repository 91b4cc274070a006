"""Where Tornado keeps the names of locales."""

from tornado_trio.locale.names import LOCALE_NAMES

__all__ = ["LOCALE_NAMES"]
