"""Program options: defined where they are used, read from the command line and config files.

Knows only how text becomes typed values and how options are listed; it must not know what
any option means. The logging options are defined on the global parser at the end, since
every program that parses options wants them.

```python
from tornado_trio.options import define, options, parse_command_line

define("port", default=8888, help="the port to listen on")
parse_command_line()
options.port
```
"""

from __future__ import annotations

import datetime
import numbers
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from tornado_trio.log import define_logging_options

__all__ = [
    "Error",
    "OptionParser",
    "add_parse_callback",
    "define",
    "options",
    "parse_command_line",
    "parse_config_file",
    "print_help",
]


class Error(Exception):
    """An option is unknown, defined twice, or has a value of the wrong type."""


class OptionParser:
    """A set of options, usable as an object (`options.port`) and as a mapping.

    Names are the same with dashes and with underscores. Programs normally use the global
    instance `tornado_trio.options.options` through the functions of this module.
    """

    _options: dict[str, _Option]
    _parse_callbacks: list[Callable[[], None]]

    def __init__(self) -> None:
        # Straight into __dict__: assignment of attributes means assignment of options.
        self.__dict__["_options"] = {}
        self.__dict__["_parse_callbacks"] = []
        self.define(
            "help", type=bool, help="show this help information", callback=self._help_callback
        )

    def _normalize_name(self, name: str) -> str:
        return name.replace("_", "-")

    def __getattr__(self, name: str) -> Any:
        option = self._options.get(self._normalize_name(name))
        if option is None:
            raise AttributeError(f"Unrecognized option {name!r}")
        return option.value()

    def __setattr__(self, name: str, value: Any) -> None:
        option = self._options.get(self._normalize_name(name))
        if option is None:
            raise AttributeError(f"Unrecognized option {name!r}")
        option.set(value)

    def __iter__(self) -> Iterator[str]:
        return (option.name for option in self._options.values())

    def __contains__(self, name: str) -> bool:
        return self._normalize_name(name) in self._options

    def __getitem__(self, name: str) -> Any:
        return self.__getattr__(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self.__setattr__(name, value)

    def items(self) -> Iterable[tuple[str, Any]]:
        """Pairs of name and value."""
        return [(option.name, option.value()) for option in self._options.values()]

    def groups(self) -> set[str]:
        """The names of the groups that options were defined in."""
        return {option.group_name for option in self._options.values()}

    def group_dict(self, group: str) -> dict[str, Any]:
        """Names and values of the options in `group`; all of them when `group` is empty.

        Handy for handing a group of options to an Application as its settings.
        """
        return {
            option.name: option.value()
            for option in self._options.values()
            if not group or option.group_name == group
        }

    def as_dict(self) -> dict[str, Any]:
        """Names and values of all options."""
        return dict(self.items())

    def define(
        self,
        name: str,
        default: Any = None,
        type: type | None = None,
        help: str | None = None,
        metavar: str | None = None,
        multiple: bool = False,
        group: str | None = None,
        callback: Callable[[Any], None] | None = None,
    ) -> None:
        """Define an option.

        Args:
            name: unique, dashes and underscores being the same.
            default: the value when none is given.
            type: `str`, `int`, `float`, `bool`, `datetime`, `timedelta`, or any callable class
                that takes a string. Taken from `default` when absent, else `str`.
            help: one line for `print_help`.
            metavar: stands for the value in the help (`--name=METAVAR`).
            multiple: the value is a list, given with commas; integers also as ranges `lo:hi`.
            group: the heading in the help; the defining file when absent.
            callback: run with the new value whenever one is set.

        Raises:
            Error: the name is taken.
        """
        normalized = self._normalize_name(name)
        if normalized in self._options:
            taken = self._options[normalized]
            raise Error(f"Option {normalized!r} already defined in {taken.file_name}")
        file_name = _defining_file()
        if type is None:
            type = str if multiple or default is None else default.__class__
        self._options[normalized] = _Option(
            name,
            file_name=file_name,
            default=default,
            type=type,
            help=help,
            metavar=metavar,
            multiple=multiple,
            group_name=group or file_name,
            callback=callback,
        )

    def parse_command_line(self, args: list[str] | None = None, final: bool = True) -> list[str]:
        """Set options from `args` (default `sys.argv`) and return what follows them.

        `args[0]` is skipped: it names the program. Parsing ends at the first argument that is
        not an option, or after `--`. With `final=False` the parse callbacks do not run yet:
        for programs which read several sources.

        Raises:
            Error: an option is unknown or lacks a value, or its date or interval is not one.
            ValueError: a number is not one. As above, a note names the option.
        """
        if args is None:
            args = sys.argv
        remaining: list[str] = []
        for position, argument in enumerate(args[1:], 1):
            if not argument.startswith("-"):
                remaining = args[position:]
                break
            if argument == "--":
                remaining = args[position + 1 :]
                break
            self._parse_argument(argument)
        if final:
            self.run_parse_callbacks()
        return remaining

    def _parse_argument(self, argument: str) -> None:
        name, equals, value = argument.lstrip("-").partition("=")
        name = self._normalize_name(name)
        option = self._options.get(name)
        if option is None:
            self.print_help()
            raise Error(f"Unrecognized command line option: {name!r}")
        if not equals:
            if option.type is not bool:
                raise Error(f"Option {name!r} requires a value")
            value = "true"
        option.parse(value)

    def parse_config_file(self, path: str, final: bool = True) -> None:
        """Set options from a Python file: its global names that are options are taken.

        The file is executed (UTF-8) with `__file__` set to its absolute path; other names in
        it are free for its own use. Values may be of the option's type or strings to parse.

        Raises:
            Error: a value is of the wrong type.
        """
        namespace: dict[str, Any] = {"__file__": os.path.abspath(path)}
        with open(path, "rb") as file:
            exec(compile(file.read(), path, "exec", dont_inherit=True), namespace, namespace)
        for name, value in namespace.items():
            option = self._options.get(self._normalize_name(name))
            if option is None:
                continue
            if option.multiple and not isinstance(value, (list, str)):
                raise Error(
                    f"Option {option.name!r} is required to be a list of "
                    f"{option.type.__name__} or a comma-separated string"
                )
            if type(value) is str and (option.type is not str or option.multiple):
                option.parse(value)
            else:
                option.set(value)
        if final:
            self.run_parse_callbacks()

    def print_help(self, file: TextIO | None = None) -> None:
        """Print all options, by group, to `file` (default stderr)."""
        if file is None:
            file = sys.stderr
        print(f"Usage: {sys.argv[0]} [OPTIONS]", file=file)
        print("\nOptions:\n", file=file)
        by_group: dict[str, list[_Option]] = {}
        for option in self._options.values():
            by_group.setdefault(option.group_name, []).append(option)
        for group, members in sorted(by_group.items()):
            if group:
                print(f"\n{os.path.normpath(group)} options:\n", file=file)
            for option in sorted(members, key=lambda member: member.name):
                print(option.help_text(self._normalize_name(option.name)), file=file)
        print(file=file)

    def _help_callback(self, value: bool) -> None:
        if value:
            self.print_help()
            sys.exit(0)

    def add_parse_callback(self, callback: Callable[[], None]) -> None:
        """Run `callback()` when parsing is done (the last source, see `final`)."""
        self._parse_callbacks.append(callback)

    def run_parse_callbacks(self) -> None:
        """Run the parse callbacks, in the order they were added."""
        for callback in self._parse_callbacks:
            callback()

    def mockable(self) -> _Mockable:
        """A view of this parser that `unittest.mock.patch.object` can patch.

        with mock.patch.object(options.mockable(), "name", value):
            assert options.name == value
        """
        return _Mockable(self)


def _defining_file() -> str:
    """The file of the first caller outside this module ('' for our own definitions)."""
    here = _defining_file.__code__.co_filename
    frame = sys._getframe(1)
    # OptionParser.define, perhaps reached through the module-level define.
    while frame.f_code.co_filename == here and frame.f_code.co_name == "define":
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    file_name = frame.f_code.co_filename
    return "" if file_name == here else file_name


class _Mockable:
    """What `mock.patch` needs: attributes that can be set, and deleted to restore them.

    `mock.patch` restores an attribute which is not in `__dict__` by deleting it and looking
    whether it is still there; so deleting puts back the value from before the first set.
    """

    def __init__(self, parser: OptionParser) -> None:
        self.__dict__["_parser"] = parser
        self.__dict__["_originals"] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._originals:
            raise AssertionError(f"option {name!r} is mocked already: don't reuse mockable objects")
        self._originals[name] = getattr(self._parser, name)
        setattr(self._parser, name, value)

    def __delattr__(self, name: str) -> None:
        setattr(self._parser, name, self._originals.pop(name))


_UNSET: Any = object()


class _Option:
    def __init__(
        self,
        name: str,
        *,
        file_name: str,
        default: Any,
        type: type,
        help: str | None,
        metavar: str | None,
        multiple: bool,
        group_name: str,
        callback: Callable[[Any], None] | None,
    ) -> None:
        self.name = name
        self.file_name = file_name
        self.default = [] if default is None and multiple else default
        self.type = type
        self.help = help
        self.metavar = metavar
        self.multiple = multiple
        self.group_name = group_name
        self.callback = callback
        self._value: Any = _UNSET

    def value(self) -> Any:
        return self.default if self._value is _UNSET else self._value

    def parse(self, text: str) -> Any:
        """Set the value from text (command line, or a string in a config file)."""
        try:
            self._value = self._convert(text)
        except (Error, ValueError) as error:
            error.add_note(f"This is the value of the option {self.name!r}: {text!r}")
            raise
        if self.callback is not None:
            self.callback(self._value)
        return self.value()

    def _convert(self, text: str) -> Any:
        convert = _CONVERTERS.get(self.type, self.type)
        if not self.multiple:
            return convert(text)
        values: list[Any] = []
        for part in text.split(","):
            if issubclass(self.type, numbers.Integral):
                first, _, last = part.partition(":")
                low = convert(first)
                high = convert(last) if last else low
                values.extend(range(low, high + 1))
            else:
                values.append(convert(part))
        return values

    def set(self, value: Any) -> None:
        """Set a value that already is of the option's type."""
        wanted = self.type.__name__
        if self.multiple:
            if not isinstance(value, list) or not all(
                item is None or isinstance(item, self.type) for item in value
            ):
                raise Error(f"Option {self.name!r} is required to be a list of {wanted}")
        elif value is not None and not isinstance(value, self.type):
            raise Error(f"Option {self.name!r} is required to be a {wanted} ({type(value)} given)")
        self._value = value
        if self.callback is not None:
            self.callback(self._value)

    def help_text(self, name: str) -> str:
        """The lines for `print_help`: name in the left column, description in the right."""
        prefix = f"{name}={self.metavar}" if self.metavar else name
        description = self.help or ""
        if self.default is not None and self.default != "":
            description += f" (default {self.default})"
        lines = textwrap.wrap(description, 79 - 35)
        if len(prefix) > 30 or not lines:
            lines.insert(0, "")
        first = f"  --{prefix:<30} {lines[0]}"
        return "\n".join([first, *(f"{'':<34} {line}" for line in lines[1:])])


_DATETIME_FORMATS = [
    "%a %b %d %H:%M:%S %Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y%m%d %H:%M:%S",
    "%Y%m%d %H:%M",
    "%Y-%m-%d",
    "%Y%m%d",
    "%H:%M:%S",
    "%H:%M",
]


def _parse_datetime(text: str) -> datetime.datetime:
    for pattern in _DATETIME_FORMATS:
        try:
            return datetime.datetime.strptime(text, pattern)
        except ValueError:
            continue
    raise Error(f"Unrecognized date/time format: {text!r}")


_TIMEDELTA_UNITS = {
    "w": "weeks",
    "d": "days",
    "h": "hours",
    "m": "minutes",
    "min": "minutes",
    "s": "seconds",
    "sec": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
}
_TIMEDELTA_PART = re.compile(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\W\d]*)\s*")


def _parse_timedelta(text: str) -> datetime.timedelta:
    """A sum of numbers with units (`1h30m`, `2.5 minutes`); a bare number is seconds."""
    total = datetime.timedelta()
    position = 0
    while position < len(text):
        match = _TIMEDELTA_PART.match(text, position)
        if match is None:
            raise Error(f"Unrecognized time interval: {text!r}")
        unit = match[2] or "seconds"
        try:
            total += datetime.timedelta(**{_TIMEDELTA_UNITS.get(unit, unit): float(match[1])})
        except TypeError:
            raise Error(f"Unrecognized unit of time: {unit!r}") from None
        position = match.end()
    return total


def _parse_bool(text: str) -> bool:
    return text.lower() not in ("false", "0", "f")


_CONVERTERS: dict[Any, Callable[[str], Any]] = {
    datetime.datetime: _parse_datetime,
    datetime.timedelta: _parse_timedelta,
    bool: _parse_bool,
    str: str,
}


#: The program's options, shared by everything in the process.
options = OptionParser()


def define(
    name: str,
    default: Any = None,
    type: type | None = None,
    help: str | None = None,
    metavar: str | None = None,
    multiple: bool = False,
    group: str | None = None,
    callback: Callable[[Any], None] | None = None,
) -> None:
    """Define an option of the program: see `OptionParser.define`."""
    options.define(
        name,
        default=default,
        type=type,
        help=help,
        metavar=metavar,
        multiple=multiple,
        group=group,
        callback=callback,
    )


def parse_command_line(args: list[str] | None = None, final: bool = True) -> list[str]:
    """Read the program's options from the command line: see `OptionParser`."""
    return options.parse_command_line(args, final=final)


def parse_config_file(path: str, final: bool = True) -> None:
    """Read the program's options from a file: see `OptionParser`."""
    options.parse_config_file(path, final=final)


def print_help(file: TextIO | None = None) -> None:
    """Print the program's options: see `OptionParser`."""
    options.print_help(file)


def add_parse_callback(callback: Callable[[], None]) -> None:
    """Run `callback()` once the program's options are parsed."""
    options.add_parse_callback(callback)


define_logging_options(options)
