"""The translations a process has loaded, and which locale serves which request.

Knows files of translations (CSV, gettext); knows nothing of formatting. Loading reads
files, so do it while the program starts. The modules that do so are imported only then.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tornado_trio.log import gen_log

from .._util.late import pattern_later

if TYPE_CHECKING:
    import gettext

__all__ = ["Catalogue", "CsvTranslations"]


_CODE = pattern_later(r"[a-z]+(_[A-Z]+)?\Z", globals())

# plural indicator -> message -> translation
CsvTranslations = dict[str, dict[str, str]]

_INDICATORS = ("plural", "singular", "unknown")


class Catalogue:
    """Loaded translations by locale code.

    `csv` and `gettext` hold what was loaded last; only one of them is in use.

    Attributes:
        supported: codes of all locales there are translations for, and of the default one.
    """

    def __init__(self, default: str = "en_US") -> None:
        self.default = default
        self.csv: dict[str, CsvTranslations] = {}
        self.gettext: dict[str, gettext.NullTranslations] | None = None
        self.supported: frozenset[str] = frozenset([default])

    def __repr__(self) -> str:
        kind = "csv" if self.gettext is None else "gettext"
        return f"<{type(self).__name__} {kind} {sorted(self.supported)}>"

    def set_default(self, code: str) -> None:
        """Make `code` the locale of what matches no other."""
        self.default = code
        self._count()

    def _count(self) -> None:
        loaded: Iterable[str] = self.csv if self.gettext is None else self.gettext
        self.supported = frozenset([*loaded, self.default])

    def closest(self, codes: Iterable[str | None]) -> str:
        """The first of `codes` that is supported, exactly or by its language alone."""
        supported = self.supported
        for code in codes:
            if not code:
                continue
            language, _, region = code.replace("-", "_").partition("_")
            if "_" in region:
                continue  # three parts: no locale has that many
            exact = f"{language.lower()}_{region.upper()}" if region else code
            for candidate in (exact, language.lower()):
                if candidate in supported:
                    return candidate
        return self.default

    def load_csv(self, directory: str, encoding: str | None = None) -> None:
        """Load every ``LOCALE.csv`` in `directory`; files and rows in error are logged.

        Raises:
            OSError: the directory cannot be read.
            UnicodeError: a file is not in `encoding`.
        """
        loaded: dict[str, CsvTranslations] = {}
        for path in sorted(os.listdir(directory)):
            code, extension = os.path.splitext(path)
            if extension != ".csv":
                continue
            full = os.path.join(directory, path)
            if _CODE.match(code) is None:
                gen_log.error("Unrecognized locale %r (path: %s)", code, full)
                continue
            loaded[code] = _read_csv(full, code, encoding or _detect_encoding(full))
        self.csv, self.gettext = loaded, None
        self._count()
        gen_log.debug("Supported locales: %s", sorted(self.supported))

    def load_gettext(self, directory: str, domain: str) -> None:
        """Load every ``LANGUAGE/LC_MESSAGES/domain.mo`` under `directory`."""
        import gettext
        import glob

        loaded: dict[str, gettext.NullTranslations] = {}
        if not os.path.isdir(directory):
            # Tornado takes this for "nothing translated yet": do not stop the program.
            gen_log.warning("No directory of translations: %s", directory)
        pattern = os.path.join(glob.escape(directory), "*", "LC_MESSAGES", f"{domain}.mo")
        for path in sorted(glob.glob(pattern)):
            language = path.split(os.sep)[-3]
            try:
                with open(path, "rb") as file:
                    loaded[language] = gettext.GNUTranslations(file)
            except (OSError, ValueError) as error:
                gen_log.error("Cannot load translation for %r: %s", language, error)
        self.gettext = loaded
        self._count()
        gen_log.debug("Supported locales: %s", sorted(self.supported))


def _detect_encoding(path: str) -> str:
    """UTF-16 if the file starts with its byte-order mark, else UTF-8 with or without one."""
    with open(path, "rb") as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _read_csv(path: str, code: str, encoding: str) -> CsvTranslations:
    import csv

    translations: CsvTranslations = {}
    with open(path, encoding=encoding, newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if len(row) < 2:
                continue
            english, translation, *rest = (cell.strip() for cell in row)
            indicator = (rest[0] if rest else "") or "unknown"
            if indicator not in _INDICATORS:
                message = "Unrecognized plural indicator %r in %s.csv line %d"
                gen_log.error(message, indicator, code, number)
                continue
            translations.setdefault(indicator, {})[english] = translation
    return translations
