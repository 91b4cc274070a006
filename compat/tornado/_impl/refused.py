"""Names of upstream's that are not here on purpose, and why.

A name that is there and means something else is worse than one that is missing: asking for one
of these is an AttributeError with its reason. docs/discussion/compatibility.md lists them.
"""

from __future__ import annotations

__all__ = ["REFUSED", "refusal"]

_CODE = "templates are compiled by other code, which a writer of the program's own cannot enter"

#: "module.name" or "module.Class.name" -> why it is not there, and what serves instead.
REFUSED: dict[str, str] = {
    "tornado.template._CodeWriter": f"{_CODE}; walk template.file.body.chunks for its nodes",
    "tornado.template._TemplateReader": f"{_CODE}; walk template.file.body.chunks for its nodes",
    "tornado.template._Module": "a module's tag is an _Expression whose code begins _tt_modules.",
    "tornado.template._parse": "parsing yields no readers; make a Template and walk its file",
}


def refusal(name: str) -> str | None:
    """The text of the AttributeError for a refused name; None for any other name."""
    reason = REFUSED.get(name)
    if reason is None:
        return None
    return f"{name} is not in this implementation of Tornado: {reason}"
