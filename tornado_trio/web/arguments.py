"""Reading the arguments of a request: decoding, stripping, defaults.

Knows the argument dictionaries of a request (names to lists of bytes) and `HTTPError`.
`ArgumentMethods` is the part of `RequestHandler` about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, overload

from .._util.late import later, pattern_later
from .errors import HTTPError, MissingArgumentError

if TYPE_CHECKING:
    import json

    from .request import Request
else:
    json = later("json", globals())

Default = TypeVar("Default")

# Control characters become blanks: they have no place in a text field, and a log line or a
# page built from one should not be broken by them.
_CONTROLS = pattern_later(r"[\x00-\x08\x0e-\x1f]", globals())


class _Required:
    """The default of arguments that have no default."""

    def __repr__(self) -> str:
        return "<required>"


REQUIRED: Final = _Required()


def decode(value: bytes | str, name: str | None) -> str:
    """Bytes of the URL or body as text; 400 when they are not UTF-8."""
    if isinstance(value, str):
        return value  # a router of the program's own passed text
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise HTTPError(400, "Invalid unicode in %s: %r", name or "url", value[:40]) from None


def last(
    handler: ArgumentMethods,
    name: str,
    default: Any,
    source: dict[str, list[bytes]],
    strip: bool,
) -> Any:
    """The last value of an argument, its default, or `MissingArgumentError`."""
    # Decoding only the last one would be cheaper, but a bad value is an error wherever it
    # stands. (Of a double's source only what it iterates over counts.)
    given = source.get(name)
    if given:
        if len(given) == 1 and strip is True and type(given) is list:
            value = handler.decode_argument(given[0], name=name)
            # One plain value, which most are: a list and 0.8 k instructions less.
            plain = type(value) is str and value.isprintable()
            return (value if plain else _cleaned(value)).strip()
        if values := every(handler, name, source, strip):
            return values[-1]
    if default is REQUIRED:
        raise MissingArgumentError(name)
    return default


def every(
    handler: ArgumentMethods, name: str, source: dict[str, list[bytes]], strip: bool
) -> list[Any]:
    """All values of an argument, decoded by the handler."""
    if not isinstance(strip, bool):
        # get_arguments("name", "default") is a likely mistake for get_argument.
        raise AssertionError("strip must be a bool; use get_argument() for a default")
    values: list[Any] = []
    for raw in source.get(name, ()):
        value = _cleaned(handler.decode_argument(raw, name=name))
        values.append(value.strip() if strip else value)
    return values


def _cleaned(value: Any) -> Any:
    if isinstance(value, str) and not value.isprintable():
        return _CONTROLS.sub(" ", value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not of JSON")


class ArgumentMethods:
    """Methods of `RequestHandler` that read the arguments of the request.

    Types are Tornado's: text, as `decode_argument` of the base class makes it, or the default.
    """

    request: Request

    @overload
    def get_argument(
        self, name: str, default: str | _Required = ..., strip: bool = True
    ) -> str: ...

    @overload
    def get_argument(self, name: str, default: Default, strip: bool = True) -> str | Default: ...

    def get_argument(self, name: str, default: Any = REQUIRED, strip: bool = True) -> Any:
        """The last value of an argument of the query or the body.

        Without a default, a missing one raises `MissingArgumentError` (400).
        """
        return last(self, name, default, self.request.arguments, strip)

    def get_arguments(self, name: str, strip: bool = True) -> list[str]:
        """All values of an argument, of query and body."""
        return every(self, name, self.request.arguments, strip)

    @overload
    def get_body_argument(
        self, name: str, default: str | _Required = ..., strip: bool = True
    ) -> str: ...

    @overload
    def get_body_argument(
        self, name: str, default: Default, strip: bool = True
    ) -> str | Default: ...

    def get_body_argument(self, name: str, default: Any = REQUIRED, strip: bool = True) -> Any:
        """`get_argument`, of the body's form only."""
        return last(self, name, default, self.request.body_arguments, strip)

    def get_body_arguments(self, name: str, strip: bool = True) -> list[str]:
        """`get_arguments`, of the body's form only."""
        return every(self, name, self.request.body_arguments, strip)

    @overload
    def get_query_argument(
        self, name: str, default: str | _Required = ..., strip: bool = True
    ) -> str: ...

    @overload
    def get_query_argument(
        self, name: str, default: Default, strip: bool = True
    ) -> str | Default: ...

    def get_query_argument(self, name: str, default: Any = REQUIRED, strip: bool = True) -> Any:
        """`get_argument`, of the query only."""
        return last(self, name, default, self.request.query_arguments, strip)

    def get_query_arguments(self, name: str, strip: bool = True) -> list[str]:
        """`get_arguments`, of the query only."""
        return every(self, name, self.request.query_arguments, strip)

    def get_json_body(self) -> Any:
        """The body as JSON, whatever its Content-Type; 400 if it is none.

        For bodies of given types, with every fault reported, see `api`.
        """
        try:
            return json.loads(self.request.body, parse_constant=_refuse_constant)
        except ValueError as error:  # of UTF-8 too
            raise HTTPError(400, "the body is no JSON: %s", error) from None
        except RecursionError:
            raise HTTPError(400, "the body is JSON, nested too deeply") from None

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Override to decode arguments and path groups other than as UTF-8."""
        if type(value) is bytes and value.isascii():
            return value.decode()  # `decode` of most, a call less
        return decode(value, name)
