"""Locales: translate messages, format dates, numbers and lists. Knows the catalogue.

Which translations there are is a matter of the process (`load_translations`), as it is
in Tornado; a locale object is shared by all who ask for its code.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tornado_trio.locale import dates
from tornado_trio.locale.catalogue import Catalogue, CsvTranslations
from tornado_trio.locale.names import LOCALE_NAMES
from tornado_trio.log import gen_log

if TYPE_CHECKING:
    import gettext

__all__ = [
    "CONTEXT_SEPARATOR",
    "CSVLocale",
    "GettextLocale",
    "Locale",
    "catalogue",
    "get",
    "get_supported_locales",
    "load_gettext_translations",
    "load_translations",
    "set_default_locale",
]


CONTEXT_SEPARATOR = "\x04"

catalogue = Catalogue()

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he"})
# Locales whose thousands are separated by commas.
_COMMAS = frozenset({"en", "en_US"})


def get(*locale_codes: str | None) -> Locale:
    """The closest match for the codes, tried in order; the default locale if none matches.

    A code matches a locale exactly (``pt_BR``, also written ``pt-br``) or by its language (``pt``).
    """
    return Locale.get_closest(*locale_codes)


def set_default_locale(code: str) -> None:
    """Set the locale that the program's own strings are in; it needs no translations."""
    catalogue.set_default(code)


def load_translations(directory: str, encoding: str | None = None) -> None:
    """Load translations from the CSV files of a directory, replacing all loaded before.

    A file ``es_GT.csv`` has rows of two or three columns: message, translation, and
    ``plural`` or ``singular`` (``unknown`` or nothing if the translation serves both). The encoding
    is found by the byte-order mark (UTF-8 or UTF-16), UTF-8 without one.
    """
    catalogue.load_csv(directory, encoding)
    Locale._cache = {}


def load_gettext_translations(directory: str, domain: str) -> None:
    """Load ``{directory}/{language}/LC_MESSAGES/{domain}.mo``, replacing all loaded before."""
    catalogue.load_gettext(directory, domain)
    Locale._cache = {}


def get_supported_locales() -> frozenset[str]:
    """The codes of all loaded locales and of the default one."""
    return catalogue.supported


class Locale:
    """A locale. Get one with `get`, or `RequestHandler.locale`."""

    _cache: ClassVar[dict[str, Locale]] = {}

    translations: Any

    def __init__(self, code: str, translations: Any = None) -> None:
        # Up to Tornado 5 this class kept the translations; subclasses still hand them on.
        if translations is not None:
            self.translations = translations
        self.code = code
        self.name = LOCALE_NAMES.get(code, {}).get("name", "Unknown")
        self.rtl = code.partition("_")[0] in _RIGHT_TO_LEFT
        self._months: list[str] = [self.translate(name) for name in dates.MONTHS]
        self._weekdays: list[str] = [self.translate(name) for name in dates.WEEKDAYS]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.code}>"

    @classmethod
    def get_closest(cls, *locale_codes: str | None) -> Locale:
        """The closest match for the codes, as `get`."""
        return cls.get(catalogue.closest(locale_codes))

    @classmethod
    def get(cls, code: str) -> Locale:
        """The locale of exactly this code.

        Raises:
            AssertionError: it is not supported.
        """
        # Programs, and Tornado's own tests, are known to delete the cache to empty it.
        cache = getattr(Locale, "_cache", None)
        if cache is None:
            cache = Locale._cache = {}
        locale = cache.get(code)
        if locale is None:
            if code not in catalogue.supported:
                raise AssertionError(f"locale {code!r} is not supported")
            translations = None if catalogue.gettext is None else catalogue.gettext.get(code)
            if translations is not None:
                locale = GettextLocale(code, translations)
            else:
                locale = CSVLocale(code, catalogue.csv.get(code, {}))
            cache[code] = locale
        return locale

    def translate(
        self, message: str, plural_message: str | None = None, count: int | None = None
    ) -> str:
        """The translation of `message` for this locale.

        With `plural_message`, `count` is needed too: the plural form is used unless it is 1.
        """
        raise NotImplementedError

    def pgettext(
        self,
        context: str,
        message: str,
        plural_message: str | None = None,
        count: int | None = None,
    ) -> str:
        """`translate` for a message that means different things in different contexts."""
        raise NotImplementedError

    def format_date(
        self,
        date: int | float | datetime.datetime,
        gmt_offset: int = 0,
        relative: bool = True,
        shorter: bool = False,
        full_format: bool = False,
    ) -> str:
        """`date` as text; a relative time ("2 minutes ago") when it is recent.

        Args:
            date: seconds since the epoch, or a datetime (UTC if it has no zone).
            gmt_offset: minutes that the reader's clock is behind UTC.
            relative: False for the time of day even today.
            shorter: leave out the time of day.
            full_format: always day, year and time. Dates to come are always shown so.
        """
        return dates.format_date(self, date, gmt_offset, relative, shorter, full_format)

    def format_day(self, date: datetime.datetime, gmt_offset: int = 0, dow: bool = True) -> str:
        """`date` as a day ("Monday, January 22"), without the day of week if `dow` is False."""
        return dates.format_day(self, date, gmt_offset, dow)

    def list(self, parts: Sequence[Any]) -> str:
        """The parts as an enumeration: "A, B and C", "A and B", or just "A"."""
        if len(parts) == 0:
            return ""
        if len(parts) == 1:
            return str(parts[0])
        comma = " و " if self.code.startswith("fa") else ", "
        return self.translate("%(commas)s and %(last)s") % {
            "commas": comma.join(parts[:-1]),
            "last": parts[-1],
        }

    def friendly_number(self, value: int) -> str:
        """The number with commas between thousands, where the language does so."""
        if self.code in _COMMAS and isinstance(value, (int, float)):
            return f"{value:,}"
        return str(value)


class CSVLocale(Locale):
    """A locale of `load_translations`."""

    translations: CsvTranslations

    def __init__(self, code: str, translations: CsvTranslations) -> None:
        super().__init__(code, translations)

    def translate(
        self, message: str, plural_message: str | None = None, count: int | None = None
    ) -> str:
        forms = self.translations.get("unknown", {})
        if plural_message is not None:
            assert count is not None, "a plural message needs a count"
            kind = "singular" if count == 1 else "plural"
            forms = self.translations.get(kind, {})
            message = message if count == 1 else plural_message
        return forms.get(message, message)

    def pgettext(
        self,
        context: str,
        message: str,
        plural_message: str | None = None,
        count: int | None = None,
    ) -> str:
        if len(self.translations) > 0:
            gen_log.warning("pgettext is not supported by CSVLocale: no context in its files")
        return self.translate(message, plural_message, count)


class GettextLocale(Locale):
    """A locale of `load_gettext_translations`."""

    def __init__(self, code: str, translations: gettext.NullTranslations) -> None:
        self.gettext = translations.gettext
        self.ngettext = translations.ngettext
        self._translations = translations
        super().__init__(code)

    def translate(
        self, message: str, plural_message: str | None = None, count: int | None = None
    ) -> str:
        if plural_message is None:
            return self.gettext(message)
        assert count is not None, "a plural message needs a count"
        return self.ngettext(message, plural_message, count)

    def pgettext(
        self,
        context: str,
        message: str,
        plural_message: str | None = None,
        count: int | None = None,
    ) -> str:
        """`translate` within a context (``xgettext --keyword=pgettext:1c,2``)."""
        if plural_message is None:
            return self._translations.pgettext(context, message)
        assert count is not None, "a plural message needs a count"
        return self._translations.npgettext(context, message, plural_message, count)
