"""Whitespace modes of template text. Knows strings, not templates."""

from .._util.late import pattern_later

__all__ = ["check_mode", "default_mode", "filter_whitespace"]

_BLANKS = pattern_later(r"[\t ]+", globals())
_AROUND_NEWLINE = pattern_later(r"\s*\n\s*", globals())
_ANY = pattern_later(r"\s+", globals())

_MODES = ("all", "single", "oneline")


def check_mode(mode: str) -> str:
    """Return `mode`, or raise when it is not one of ``all``, ``single``, ``oneline``."""
    if mode not in _MODES:
        # A bare Exception is what Tornado raises here, so programs may expect no less.
        raise Exception(f"invalid whitespace mode {mode}")
    return mode


def default_mode(filename: str) -> str:
    """The mode of a template that does not choose one: HTML and JavaScript are squeezed."""
    return "single" if filename.endswith((".html", ".js")) else "all"


def filter_whitespace(mode: str, text: str) -> str:
    """Transform the whitespace of `text`.

    * ``all``: keep everything.
    * ``single``: a run of blanks becomes one blank, a run with a newline one newline.
    * ``oneline``: every run becomes one blank.

    Any other mode raises an exception.
    """
    check_mode(mode)
    if mode == "single":
        return _AROUND_NEWLINE.sub("\n", _BLANKS.sub(" ", text))
    if mode == "oneline":
        return _ANY.sub(" ", text)
    return text
