"""Translations and localised formatting, with Tornado's names.

```python
locale.load_translations("translations")
user_locale = locale.get("es_LA")
user_locale.translate("Sign out")
```

Pure but for reading translation files. Load them once, before serving.
"""

from tornado_trio.locale.locale import (
    CONTEXT_SEPARATOR,
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
from tornado_trio.locale.names import LOCALE_NAMES

__all__ = [
    "CONTEXT_SEPARATOR",
    "LOCALE_NAMES",
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
