"""`tornado.util`: small helpers that the other modules and many programs share."""

from __future__ import annotations

import importlib
import inspect
import re
import types
import typing
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tornado._impl.assigned import assignable
from tornado._impl.legacy.util import PY3 as PY3
from tornado._impl.legacy.util import b as b
from tornado._impl.legacy.util import basestring_type as basestring_type
from tornado._impl.legacy.util import bytes_type as bytes_type
from tornado._impl.legacy.util import is_finalizing as is_finalizing
from tornado._impl.legacy.util import u as u
from tornado._impl.legacy.util import unicode_type as unicode_type
from tornado._impl.legacy.util import xrange as xrange
from tornado._impl.names import handing_on, shown_in

from tornado_trio._util.late import later, pattern_later
from tornado_trio._util.object_dict import ObjectDict as ObjectDict

if TYPE_CHECKING:
    import datetime

    from tornado_trio.wire import signing
else:
    datetime = later("datetime", globals())
    signing = later("tornado_trio.wire.signing", globals())

if typing.TYPE_CHECKING:
    import unittest

#: A deadline passed in `with_timeout`, `run_sync` and their like: the builtin, as since 6.2.
TimeoutError = TimeoutError


class GzipDecompressor:
    """Decompress gzip data as it comes, all its members, so many bytes at a time.

    Raises `zlib.error` for invalid gzip data, and for garbage after it.
    """

    def __init__(self) -> None:
        self.decompressobj: Any = None  # of the member being read
        self._tail = b""

    def decompress(self, value: bytes, max_length: int = 0) -> bytes:
        """Decompress `value`, to at most `max_length` bytes.

        What of `value` did not fit is `unconsumed_tail` then: give that to the next call
        until it is empty. No `max_length` (deprecated): no bound at all.
        """
        if not max_length:
            warnings.warn(
                "GzipDecompressor.decompress() without max_length is deprecated",
                DeprecationWarning,
                stacklevel=2,
            )
        out = b""
        while value and not (max_length and len(out) >= max_length):
            if self.decompressobj is None:
                self.decompressobj = zlib.decompressobj(16 + zlib.MAX_WBITS)
            out += self.decompressobj.decompress(value, max_length and max_length - len(out))
            if self.decompressobj.eof:
                # Whatever follows has to be another member.
                value, self.decompressobj = self.decompressobj.unused_data, None
            else:
                value = self.decompressobj.unconsumed_tail
        self._tail = value
        return out

    @property
    def unconsumed_tail(self) -> bytes:
        """The part of the last input that `max_length` left over."""
        return self._tail

    def flush(self) -> bytes:
        """The end: b"". `zlib.error` for truncated data, ValueError with a tail left."""
        if self._tail:
            raise ValueError("flush() called before all of unconsumed_tail was decompressed")
        if self.decompressobj is not None:
            raise zlib.error("gzip data ends before its end-of-stream marker")
        return b""


def import_object(name: str) -> Any:
    """The module, or the object in a module, of a dotted name. ImportError if missing.

    >>> import os
    >>> import_object("os.path") is os.path
    True
    """
    if "." not in name:
        return importlib.import_module(name)
    module_name, _, attribute = name.rpartition(".")
    module = importlib.import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        try:
            return importlib.import_module(name)
        except ImportError:
            raise ImportError(f"No module named {attribute!r} in {module_name!r}") from None


def exec_in(
    code: str | types.CodeType, glob: dict[str, Any], loc: Mapping[str, Any] | None = None
) -> None:
    """Run `code` in the given namespaces; this module's __future__ imports do not apply."""
    if isinstance(code, str):
        code = compile(code, "<string>", "exec", dont_inherit=True)
    exec(code, glob, loc)


def raise_exc_info(
    exc_info: tuple[type[BaseException] | None, BaseException | None, types.TracebackType | None],
) -> typing.NoReturn:
    """Raise the exception of a `sys.exc_info()` triple again, with its traceback."""
    error = exc_info[1]
    if error is None:
        raise TypeError("raise_exc_info called with no exception")
    try:
        raise error.with_traceback(exc_info[2])
    finally:
        # The frame must not keep the traceback that holds the frame.
        del exc_info, error


def errno_from_exception(e: BaseException) -> int | None:
    """The errno of an exception: its `errno` attribute, or else its first argument."""
    if hasattr(e, "errno"):
        return typing.cast("int | None", e.errno)
    return e.args[0] if e.args else None


_escape = pattern_later(r"\\(.)", globals(), re.DOTALL)


def re_unescape(s: str) -> str:
    """The text that `re.escape` made `s` of. ValueError for a `\\d` or the like."""

    def character(match: re.Match[str]) -> str:
        if match[1].isalnum() and match[1].isascii():
            raise ValueError(f"cannot unescape {match[0]!r}")
        return match[1]

    return _escape.sub(character, s)


def timedelta_to_seconds(td: datetime.timedelta) -> float:
    """`td.total_seconds()`."""
    return td.total_seconds()


class ArgReplacer:
    """Replaces one argument of a function in the arguments of a call, given either way."""

    def __init__(self, func: Callable[..., Any], name: str) -> None:
        self.name = name
        names = self._positional_names(func)
        #: Where the argument stands when given by position; None if by keyword only.
        self.arg_pos = names.index(name) if name in names else None

    @staticmethod
    def _positional_names(func: Callable[..., Any]) -> list[str]:
        try:
            return inspect.getfullargspec(func).args
        except TypeError:
            code = getattr(func, "__code__", None)  # compiled functions may have that much
            return [] if code is None else list(code.co_varnames[: code.co_argcount])

    def get_old_value(
        self, args: Sequence[Any], kwargs: dict[str, Any], default: Any = None
    ) -> Any:
        """The argument's value in a call with `args` and `kwargs`, or `default`."""
        place = self._place(args)
        return kwargs.get(self.name, default) if place is None else args[place]

    def replace(
        self, new_value: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[Any, Sequence[Any], dict[str, Any]]:
        """(old value or None, args, kwargs) with the argument replaced; `kwargs` in place."""
        place = self._place(args)
        given: Any = kwargs if place is None else list(args)
        key = self.name if place is None else place
        old = self.get_old_value(args, kwargs)
        given[key] = new_value
        return old, args if place is None else given, kwargs

    def _place(self, args: Sequence[Any]) -> int | None:
        """Where in `args` it stands, if it was given by position."""
        place = self.arg_pos
        return place if place is not None and place < len(args) else None


class Configurable:
    """Base of interfaces whose implementation can be chosen at run time.

    The constructor of the base makes an instance of the class set by `configure`
    (`configurable_default()` otherwise) and calls its `initialize` with the arguments,
    which stands where `__init__` would.
    """

    __impl_class: type[Configurable] | None = None
    __impl_kwargs: dict[str, Any] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> typing.Self:
        base: Any = cls.configurable_base()
        options: dict[str, Any] = {}
        if cls is base:
            impl = cls.configured_class()
            if base.__impl_kwargs:
                options.update(base.__impl_kwargs)
        else:
            impl = cls
        options.update(kwargs)
        if impl.configurable_base() is not base:
            # The implementation is itself such an interface.
            return typing.cast(typing.Self, impl(*args, **options))
        instance: Any = super().__new__(impl)
        instance.initialize(*args, **options)
        return typing.cast(typing.Self, instance)

    @classmethod
    def configurable_base(cls) -> Any:
        """The class whose `configure` decides: the root of the hierarchy."""
        raise NotImplementedError

    @classmethod
    def configurable_default(cls) -> Any:
        """The implementation when none was configured."""
        raise NotImplementedError

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Set up the instance; subclasses use this instead of `__init__`."""

    @classmethod
    def configure(cls, impl: Any, **kwargs: Any) -> None:
        """Choose the implementation (a class or its dotted name; None for the default).

        `kwargs` are given to `initialize` of every instance.
        """
        base = cls.configurable_base()
        if isinstance(impl, str):
            impl = import_object(impl)
        if impl is not None and not issubclass(impl, cls):
            raise ValueError(f"Invalid subclass of {cls}")
        base.__impl_class = impl
        base.__impl_kwargs = kwargs

    @classmethod
    def configured_class(cls) -> Any:
        """The implementation in force."""
        base = cls.configurable_base()
        if base.__dict__.get("_Configurable__impl_class") is None:
            base.__impl_class = cls.configurable_default()
        return base.__impl_class

    @classmethod
    def _save_configuration(cls) -> tuple[Any, Any]:
        base = cls.configurable_base()
        return (base.__impl_class, base.__impl_kwargs)

    @classmethod
    def _restore_configuration(cls, saved: tuple[Any, Any]) -> None:
        base = cls.configurable_base()
        base.__impl_class, base.__impl_kwargs = saved


def _websocket_mask_python(mask: bytes, data: bytes) -> bytes:
    """`data` XORed with the four bytes of `mask`, repeated."""
    if len(mask) != 4:
        raise ValueError("mask must be 4 bytes")
    return signing.mask_bytes(mask, data)


_mask_in_use = _websocket_mask_python


def _use_mask(function: Any) -> None:
    """What a program assigns to `_websocket_mask`, here or in `tornado.websocket`, masks."""
    from tornado_trio.wire.websocket import frames, masking, reader

    global _mask_in_use
    _mask_in_use = function
    if function is _websocket_mask_python:
        apply: Any = masking.apply_mask
    else:

        def apply(data: Any, mask: bytes) -> bytes:
            return function(mask, bytes(data))  # type: ignore[no-any-return]

    for module in (frames, reader):
        vars(module)["apply_mask"] = apply


if TYPE_CHECKING:
    _websocket_mask = _websocket_mask_python
else:
    assignable(__name__, "_websocket_mask", lambda: _mask_in_use, _use_mask)


def doctests() -> unittest.TestSuite:
    """The examples in this module's docstrings, for unittest's `load_tests`."""
    import doctest

    return doctest.DocTestSuite(__name__)


shown_in("tornado.util", ObjectDict)

if not TYPE_CHECKING:  # for a type checker, a name that is not here is an error
    __getattr__ = handing_on("tornado.util")
