"""The settings an application knows, and what each may be.

A program may have settings of its own as well; a name close to a known one is taken for a typo, and
a value of the wrong type would fail at some later request, or mean something else ("false" is
true).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..exchange import DisconnectPolicy

__all__ = ["check_settings"]

_Check = Callable[[Any], bool]


def _of(*kinds: Any) -> _Check:
    return lambda value: isinstance(value, kinds)


def _flag(value: Any) -> bool:
    return isinstance(value, (bool, int))


def _seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _several(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))


def _policy(value: Any) -> bool:
    try:
        return bool(DisconnectPolicy.of(value)) or True
    except (TypeError, ValueError):
        return False


def _class(value: Any) -> bool:
    return isinstance(value, type)


_FLAG = ("True or False", _flag)
_TEXT = ("text", _of(str))
_PATH = ("a path", _of(str, os.PathLike))
_DICT = ("a dict", _of(Mapping))
_CLASS = ("a class", _class)
_FUNCTION = ("a function", callable)

_KNOWN: dict[str, tuple[str, _Check] | None] = {
    "autoescape": _TEXT,
    "autoreload": _FLAG,
    "compiled_template_cache": _FLAG,
    "compress_response": _FLAG,
    "cookie_secret": ("text, bytes, or a dict of them by number", _of(str, bytes, dict)),
    "cross_origin_protection": _FLAG,
    "debug": _FLAG,
    "default_handler_args": _DICT,
    "default_handler_class": _CLASS,
    "gzip": _FLAG,
    "json_encoder": _FUNCTION,
    "key_version": ("a number", _of(int)),
    "log_function": _FUNCTION,
    "login_url": _TEXT,
    "on_disconnect": ('"cancel", "finish" or a DisconnectPolicy', _policy),
    "request_timeout": ("seconds, above 0", _seconds),
    "serve_traceback": _FLAG,
    "static_handler_args": _DICT,
    "static_handler_class": _CLASS,
    "static_hash_cache": _FLAG,
    "static_path": _PATH,
    "static_url_prefix": _TEXT,
    "template_loader": ("a loader", lambda value: hasattr(value, "load")),
    "template_path": _PATH,
    "template_whitespace": _TEXT,
    "trusted_origins": ("a list of origins", _several),
    "ui_methods": None,
    "ui_modules": None,
    "websocket_options": ("WebSocketOptions", lambda value: hasattr(value, "max_message_size")),
    "xsrf_cookie_kwargs": _DICT,
    "xsrf_cookie_name": _TEXT,
    "xsrf_cookie_version": ("1 or 2", lambda value: value in (1, 2)),
    "xsrf_cookies": _FLAG,
    # Parameters, whose names are mistaken as well.
    "default_host": None,
    "errors": None,
    "handlers": None,
    "middleware": None,
    "transforms": None,
}


def check_settings(settings: Mapping[str, Any]) -> None:
    """TypeError for a known setting of another type, or a name that is nearly a known one."""
    for name, value in settings.items():
        if name not in _KNOWN:
            from difflib import get_close_matches  # most programs have known settings only

            near = get_close_matches(name, _KNOWN, 1, 0.88)
            if near:
                raise TypeError(
                    f"there is no setting {name!r}: did you mean {near[0]!r}? (A "
                    "setting of your own needs another name.)"
                )
            continue
        known = _KNOWN[name]
        if known is not None and value is not None and not known[1](value):
            raise TypeError(f"the setting {name} is {known[0]}, not {value!r}")
