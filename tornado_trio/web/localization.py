"""The locale a browser prefers. Knows `Accept-Language` and the loaded locales."""

from __future__ import annotations

from typing import Any

from .. import locale as locales


def browser_locale(accept_language: str | None, default: str) -> Any:
    """The loaded locale closest to the browser's preferences, best first."""
    codes = accepted_languages(accept_language) if accept_language else []
    return locales.get(*codes) if codes else locales.get(default)


def accepted_languages(header: str) -> list[str]:
    """The languages of `Accept-Language` in descending order of their quality.

    Those with a quality of zero, or an unreadable one, are left out.
    """
    found: list[tuple[float, str]] = []
    for item in header.split(","):
        language, _, params = item.partition(";")
        name, _, quality = params.strip().partition("=")
        score = 1.0
        if name.strip() == "q":
            try:
                score = float(quality)
            except ValueError:
                score = 0.0
        if score > 0:
            found.append((score, language.strip()))
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [language for _, language in found]
