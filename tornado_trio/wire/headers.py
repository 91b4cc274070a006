"""`HTTPHeaders`: header fields of a request or response, in order, case-insensitive.

Knows the grammar of fields (wire/abnf.py) and the errors. Knows nothing of
connections, requests, or which fields mean what.

Plan (this is on the path of every request, hence the figures; CPython 3.11):

* Names are kept in their usual spelling ("Content-Type"). Spelling and checking a name
  once and remembering it costs 40 ns a field instead of 900 ns.
* A field that came once is stored as its bare string, a repeated one as a `_Repeated`
  list that remembers its joined form. No list per field: a ten-field head takes about
  0.4 KB less, and `add` of n equal names followed by a read is linear in n.
* Values are checked with one `isprintable` (true of nearly every real one), and by the
  regular expression only when that says no.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Final

from ..errors import HTTPInputError
from . import abnf

HTTP_WHITESPACE: Final = " \t"
#: Fields whose values are for one peer alone: no message shows them, no redirect to another
#: origin takes them along.
SECRET_FIELDS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "cookie2", "set-cookie"}
)

# Names a peer makes up must not grow these without bound: a full cache is cleared.
_CACHE_SIZE: Final = 1000
_spelling: dict[str, str] = {}  # any spelling -> usual spelling, checked or not
_raw_names: dict[bytes, str] = {}  # bytes from the wire -> usual spelling, checked


class _SmallNames(dict[str, bytes]):
    """Usual spelling -> small letters, as bytes."""

    def __missing__(self, name: str) -> bytes:
        if len(self) >= _CACHE_SIZE:
            self.clear()
        small = name.lower().encode("latin-1")
        if len(name) <= 64:
            self[name] = small
        return small


_small_names = _SmallNames()

_control_search = abnf.control_character.search
_token_match = abnf.token.fullmatch


def normalize_name(name: str) -> str:
    """`name` in its usual spelling: "content-TYPE" gives "Content-Type"."""
    try:
        return _spelling[name]
    except KeyError:
        pass  # the first time, or after the cache started again
    spelled = "-".join([word.capitalize() for word in name.split("-")])
    if len(_spelling) >= _CACHE_SIZE:
        _spelling.clear()
    if len(name) <= 64:  # longer ones are junk, and would make the cache a big one
        _spelling[name] = spelled
    return spelled


def _name_from_wire(raw: bytes) -> str:
    """The usual spelling of a field name as received; HTTPInputError unless a token."""
    name = raw.decode("latin-1")
    check_name(name)
    spelled = normalize_name(name)
    if len(_raw_names) >= _CACHE_SIZE:
        _raw_names.clear()
    if len(raw) <= 64:
        _raw_names[raw] = spelled
    return spelled


def is_valid_name(name: str) -> bool:
    """Is `name` a field name (an RFC 9110 token)?"""
    return _token_match(name) is not None


def is_valid_value(value: str) -> bool:
    """Is `value` free of CR, LF, NUL and the other controls, and within latin-1?"""
    if value.isascii():
        return value.isprintable() or not _control_search(value)
    return max(value) <= "\xff" and not _control_search(value)


def check_name(name: str) -> None:
    """Raise HTTPInputError unless `name` is a field name."""
    if _token_match(name) is None:
        raise HTTPInputError(f"Invalid header name {name!r}")


class _Repeated(list[str]):
    """The values of a field that came more than once."""

    __slots__ = ("joined",)

    def __init__(self, values: Iterable[str]) -> None:
        super().__init__(values)
        self.joined: str | None = None  # None: not asked for since the last change


class HTTPHeaders(MutableMapping[str, str]):
    """Header fields; a mapping from name to value, with repeated fields joined by ",".

    Names compare without regard to case and come back in their usual spelling. Fields
    keep the order in which each name first came. `add`, `get_list` and `get_all` see
    repeated fields one by one.

    >>> h = HTTPHeaders({"content-type": "text/html"})
    >>> list(h.keys())
    ['Content-Type']
    >>> h["Content-Type"]
    'text/html'
    >>> h.add("Set-Cookie", "A=B")
    >>> h.add("Set-Cookie", "C=D")
    >>> h["set-cookie"]
    'A=B,C=D'
    >>> h.get_list("set-cookie")
    ['A=B', 'C=D']
    >>> for name, value in sorted(h.get_all()):
    ...     print(f"{name}: {value}")
    Content-Type: text/html
    Set-Cookie: A=B
    Set-Cookie: C=D
    """

    __slots__ = ("__weakref__", "_fields")

    _fields: dict[str, str | _Repeated]

    def __init__(self, *args: Any, **kwargs: str) -> None:
        """Take what `dict` takes; another `HTTPHeaders` is copied field by field."""
        self._fields = {}
        if not args and not kwargs:
            return
        if len(args) == 1 and not kwargs and isinstance(args[0], HTTPHeaders):
            self._fields = args[0]._copy_fields()
            return
        if len(args) == 1 and not kwargs and type(args[0]) is dict and type(self) is HTTPHeaders:
            store = self._fields
            for name, value in args[0].items():
                store[_spelling.get(name) or normalize_name(name)] = value
            return
        self.update(*args, **kwargs)

    @classmethod
    def from_raw(cls, fields: Iterable[tuple[bytes, bytes]]) -> HTTPHeaders:
        """The fields of a head as bytes from the wire, blanks around values removed.

        Raises HTTPInputError for a name that is not a token and for a value with control
        characters.
        """
        self = cls.__new__(cls)
        names = _raw_names
        if type(fields) is list:
            # All at once, where each field comes once and its name is known.
            store: dict[str, Any]
            try:
                store = {names[name]: str(value, "latin-1") for name, value in fields}
            except (KeyError, TypeError):
                store = {}
            if len(store) == len(fields) and "".join(store.values()).isprintable():
                self._fields = store
                return self
        self._fields = store = {}
        for raw_name, raw_value in fields:
            try:
                name = names[raw_name]
            except (KeyError, TypeError):  # a new one, or a bytearray
                name = _name_from_wire(bytes(raw_name))
            value = str(raw_value, "latin-1")
            if not value.isprintable() and _control_search(value):
                raise HTTPInputError(f"Invalid header value {value!r}")
            if name in store:
                self._append(name, value)
            else:
                store[name] = value
        return self

    @classmethod
    def of_response(cls, fields: Iterable[tuple[bytes, bytes]]) -> HTTPHeaders:
        """As `from_raw`, for the fields of a response: those that most say alike are known."""
        if type(fields) is list:
            try:
                store: dict[str, Any] = dict(map(_given, fields))
            except TypeError:  # lists in place of tuples, or bytearrays
                return cls.from_raw(fields)
            if len(store) == len(fields):
                self = cls.__new__(cls)
                self._fields = store
                return self
        return cls.from_raw(fields)

    # --- repeated fields -------------------------------------------------------

    def add(self, name: str, value: str, *, _chars_are_bytes: bool = True) -> None:
        """Add a value, keeping those already there.

        Raises HTTPInputError unless both may stand in a head.
        """
        try:
            spelled = _spelling[name]
        except KeyError:
            spelled = normalize_name(name)
        # A spelling is remembered without being checked (reading h["a b"] is harmless),
        # so only a name that is stored already needs no check.
        store = self._fields
        if spelled not in store:
            check_name(name)
        value = _to_str(value)
        if not (value.isascii() and value.isprintable()):
            if _control_search(value) or (_chars_are_bytes and value and max(value) > "\xff"):
                raise HTTPInputError(f"Invalid header value {value!r}")
        if spelled in store:
            self._append(spelled, value)
        else:
            store[spelled] = value

    def _append(self, name: str, value: str) -> None:
        old = self._fields[name]
        if type(old) is _Repeated:
            old.append(value)
            old.joined = None
        else:
            self._fields[name] = _Repeated((_to_str(old), value))

    def get_list(self, name: str) -> list[str]:
        """All values of a field, in order; [] when there is none."""
        value = self._fields.get(normalize_name(name))
        if value is None:
            return []
        return list(value) if type(value) is _Repeated else [_as_text(value)]

    def get_all(self) -> Iterator[tuple[str, str]]:
        """All (name, value) pairs; a repeated field comes once per value."""
        for name, value in self._fields.items():
            if type(value) is _Repeated:
                for each in value:
                    yield name, each
            else:
                yield name, _as_text(value)

    def to_raw(self) -> list[tuple[bytes, bytes]]:
        """All fields as bytes, names in small letters, as HTTP/2 and ASGI have them."""
        names = _small_names
        fields = []
        try:
            # No list comprehension: CPython 3.11 makes a function for one, 0.7 k instructions.
            for name, value in self._fields.items():
                fields.append((names[name], value.encode("latin-1")))  # type: ignore[union-attr]
            return fields
        except AttributeError:  # a field that came more than once is a list
            return [(names[name], value.encode("latin-1")) for name, value in self.get_all()]

    # --- parsing and writing -----------------------------------------------------

    def parse_line(self, line: str, *, _chars_are_bytes: bool = True) -> None:
        """Add one "Name: value" line, with or without its line end; "" adds nothing.

        >>> h = HTTPHeaders()
        >>> h.parse_line("Content-Type: text/html")
        >>> h.get("content-type")
        'text/html'
        """
        if line.endswith("\n"):
            line = line[:-2] if line.endswith("\r\n") else line[:-1]
        if not line:
            return
        if line[0] in HTTP_WHITESPACE:
            # obs-fold (RFC 9112 5.2): a server must refuse it or replace it, and what
            # different parsers make of it is a way to smuggle fields.
            raise HTTPInputError("header line cannot start with whitespace, folding not supported")
        name, colon, value = line.partition(":")
        if not colon:
            raise HTTPInputError("no colon in header line")
        self.add(name, value.strip(HTTP_WHITESPACE), _chars_are_bytes=_chars_are_bytes)

    @classmethod
    def parse(cls, headers: str, *, _chars_are_bytes: bool = True) -> HTTPHeaders:
        """The fields of a head as text; lines end with CRLF or LF, empty ones are skipped.

        >>> h = HTTPHeaders.parse("Content-Type: text/html\\r\\nContent-Length: 42\\r\\n")
        >>> sorted(h.items())
        [('Content-Length', '42'), ('Content-Type', 'text/html')]
        """
        self = cls()
        *lines, last = headers.split("\n")
        for line in lines:
            # Only a CR that an LF follows belongs to the line end.
            line = line.removesuffix("\r")
            if line:
                self.parse_line(line, _chars_are_bytes=_chars_are_bytes)
        self.parse_line(last, _chars_are_bytes=_chars_are_bytes)
        return self

    def encode(self) -> bytes:
        """The fields as they go on the wire: "Name: value", CRLF after each, latin-1.

        Raises ValueError when a name or value would break the head (CVE-2012-2374).
        """
        try:
            return "".join(map(_line_of, self._fields.items())).encode("latin-1")
        except TypeError:  # a repeated field has no hash
            lines = [
                _lines[name, each]
                for name, value in self._fields.items()
                for each in (value if type(value) is _Repeated else (_as_text(value),))
            ]
            return "".join(lines).encode("latin-1")

    # --- the mapping ---------------------------------------------------------------

    def __setitem__(self, name: str, value: str) -> None:
        self._fields[_spelling.get(name) or normalize_name(name)] = value

    def __getitem__(self, name: str) -> str:
        try:
            value = self._fields[_spelling[name]]
        except KeyError:
            value = self._fields[normalize_name(name)]
        # Narrowing by type() is beyond the checker; isinstance would cost 20 ns here.
        return _joined(value) if type(value) is _Repeated else value  # type: ignore[return-value]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field (repeated ones joined by ","), or `default`."""
        value: Any = self._fields.get(_spelling.get(name) or normalize_name(name), default)
        return _joined(value) if type(value) is _Repeated else value

    def __delitem__(self, name: str) -> None:
        del self._fields[normalize_name(name)]

    def __contains__(self, name: object) -> bool:
        # Anything else than a string is simply not there, as in any mapping.
        if not isinstance(name, str):
            return False
        return (_spelling.get(name) or normalize_name(name)) in self._fields

    def __len__(self) -> int:
        return len(self._fields)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def update(self, other: Any = (), /, **kwargs: str) -> None:
        """As `dict.update`: a name that is there already gets the new value alone."""
        if isinstance(other, HTTPHeaders):
            # Field by field, so that two Set-Cookie stay two.
            self._fields.update(other._copy_fields())
        elif isinstance(other, Mapping):
            for name in other:
                self[name] = other[name]
        elif hasattr(other, "keys"):
            for name in other.keys():  # duck-typed, need not be iterable
                self[name] = other[name]
        else:
            for name, value in other:
                self[name] = value
        for name, value in kwargs.items():
            self[name] = value

    # --- copies ----------------------------------------------------------------------

    def _copy_fields(self) -> dict[str, str | _Repeated]:
        fields = self._fields.copy()
        for name, value in fields.items():
            if type(value) is _Repeated:
                fields[name] = _Repeated(value)
        return fields

    def copy(self) -> HTTPHeaders:
        """An independent copy."""
        new = type(self)()
        new._fields = self._copy_fields()
        return new

    # copy.copy and copy.deepcopy find this.
    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> HTTPHeaders:
        return self.copy()  # strings need no deeper copy

    # Tornado's own tables, for programs that read them: views, which refuse to be changed.

    @property
    def _as_list(self) -> Mapping[str, list[str]]:
        return MappingProxyType({name: self.get_list(name) for name in self._fields})

    @property
    def _dict(self) -> Mapping[str, str]:
        return MappingProxyType({name: self[name] for name in self._fields})

    def __getstate__(self) -> dict[str, dict[str, list[str]]]:
        return {"_as_list": {name: self.get_list(name) for name in self._fields}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Tornado's own pickles carry the same key, so caches of pickled responses
        # survive a migration.
        self._fields = {
            name: values[0] if len(values) == 1 else _Repeated(values)
            for name, values in state["_as_list"].items()
        }

    def __str__(self) -> str:
        return "".join([f"{name}: {value}\n" for name, value in self.get_all()])

    __unicode__ = __str__

    def __repr__(self) -> str:
        return f"HTTPHeaders({list(self.get_all())!r})"


def _joined(value: _Repeated) -> str:
    if value.joined is None:
        value.joined = ",".join(value)
    return value.joined


def _as_text(value: object) -> str:
    """A stored value as text: `h["Content-Length"] = 5` stores an int, other code bytes."""
    if isinstance(value, str):
        return str.__str__(value)  # what it is equal to, not how a member of an Enum is shown
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _to_str(value: object) -> str:
    """The value given to `add`: text, or bytes (latin-1)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    raise TypeError(f"Expected bytes or str; got {type(value)!r}")


# --- writing ---------------------------------------------------------------------------

_checked_names: set[str] = set()  # names that were seen and found good
#: Fields that say the same in most responses of a program. The lines of others are not kept:
#: they are made for one response, or are for one client alone.
_OFTEN_THE_SAME: Final = frozenset(
    (
        "Accept-Ranges", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers",
        "Access-Control-Allow-Methods", "Access-Control-Allow-Origin", "Allow", "Cache-Control",
        "Connection", "Content-Encoding", "Content-Language", "Content-Length", "Content-Type",
        "Cross-Origin-Opener-Policy", "Date", "Expires", "Keep-Alive", "Pragma", "Referrer-Policy",
        "Server", "Strict-Transport-Security", "Transfer-Encoding", "Vary",
        "X-Content-Type-Options", "X-Frame-Options", "X-Xss-Protection",
    )
)  # fmt: skip
_MAX_LINE: Final = 128
#: For `bytes.translate`, which gives back the same object where nothing changes: controls, which
#: no field may hold, become something else. (Deleting them makes a table at each call.)
_NO_CONTROLS: Final = bytes(
    ord("?") if code == 127 or (code < 32 and code != 9) else code for code in range(256)
)


class _Lines(dict[tuple[str, Any], str]):
    """Fields as they stand in a head, checked. A known one costs 0.3 k instructions, another
    2 k (5 k each when all were joined and checked anew)."""

    def __missing__(self, field: tuple[str, Any]) -> str:
        name, value = field
        if name not in _checked_names:
            _check_out_name(name)
        text = value if type(value) is str else _as_text(value)
        raw = text.encode("latin-1")
        if raw.translate(_NO_CONTROLS) != raw:
            shown = name if name.lower() in SECRET_FIELDS else f"{name}: {text}"
            raise ValueError(f"Illegal characters in header {shown!r}")
        line = f"{name}: {text}\r\n"
        if name in _OFTEN_THE_SAME and text is value and len(line) <= _MAX_LINE:
            if len(self) >= _CACHE_SIZE:
                self.clear()
            self[field] = line
        return line


_lines: Final = _Lines()
_line_of: Final = _lines.__getitem__


class _Given(dict[tuple[bytes, bytes], tuple[str, str]]):
    """Fields of responses as bytes -> name and value, checked. Kept as `_Lines` are."""

    def __missing__(self, field: tuple[bytes, bytes]) -> tuple[str, str]:
        raw_name, raw_value = field
        name = _raw_names.get(raw_name) or _name_from_wire(raw_name)
        value = str(raw_value, "latin-1")
        if not value.isprintable() and _control_search(value):
            raise HTTPInputError(f"Invalid header value {value!r}")
        found = (name, value)
        if name in _OFTEN_THE_SAME and len(value) <= _MAX_LINE:
            if len(self) >= _CACHE_SIZE:
                self.clear()
            self[field] = found
        return found


_given: Final = _Given().__getitem__


def check_outgoing_name(name: str) -> None:
    """ValueError unless `name` may stand in a head (RFC 9110 5.1)."""
    if name not in _checked_names:
        _check_out_name(name)


def _check_out_name(name: str) -> None:
    if not is_valid_name(name):
        raise ValueError(f"Illegal header name: {name!r}")
    if len(_checked_names) >= _CACHE_SIZE:
        _checked_names.clear()
    _checked_names.add(name)
