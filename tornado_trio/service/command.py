"""`tornado-trio serve`: the command line of `run`. Knows arguments, help and exit statuses."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from functools import partial
from typing import NoReturn

from .. import __version__
from .errors import CannotStart
from .kinds import Main, main_of
from .loading import LoadError, load
from .running import check, complain, start
from .settings import PREFIX, Settings, parse_setting
from .traces import show

__all__ = ["serve_command"]

PROGRAM = "tornado-trio serve"
DESCRIPTION = "Serve an application, and end well."
EPILOG = f"""\
TARGET names what is served: MODULE:NAME, app.py:NAME, or MODULE alone, in which app,
application, main, make_app or create_app is looked for. It may be
  - an Application of tornado_trio.web, or a function that returns one;
  - an async function without arguments, which opens what the service needs, and awaits
    `serve`: the options below go before what it says there;
  - an async function of an exchange.

  tornado-trio serve app:app                          http://127.0.0.1:8888, one process
  tornado-trio serve app:app --reload                 while you write it
  tornado-trio serve app:main --host '' --port 80 --workers 0 --drain-delay 5
                                                      every interface, a worker for each processor
  {PREFIX}PORT=80 tornado-trio serve app:app    each option is a variable, too

Signals: SIGTERM and SIGINT drain, a second one cuts. With workers SIGHUP replaces them one by
one without losing a request, SIGTTIN and SIGTTOU start and end one.
A program that calls tornado_trio.run itself needs none of this: python app.py. A Tornado program
with a main() of its own is for `tornado-trio run`.
"""
# Options whose value may be left out; only `--name=value` gives one, so that TARGET may follow.
_BARE = {"--asyncio": "yes", "--proxy-headers": "yes"}


def serve_command(arguments: list[str]) -> int:
    """Run the command line; returns the exit status."""
    try:
        options = parse(arguments)
        values = {
            name: parse_setting(name, value, "--" + name.replace("_", "-"))
            if isinstance(value, str)
            else value
            for name, value in vars(options).items()
            if name not in ("target", "check") and value is not None
        }
        settings = Settings().with_environment().updated(values)
        find = partial(_find, options.target)
        if options.check:
            check(find(), settings)
            print(f"{options.target}: ok")
        else:
            start(find, settings)
    except LoadError as error:
        print(error.trace, end="", file=sys.stderr)
        complain(error, PROGRAM)
    except CannotStart as error:
        complain(error, PROGRAM)
    except KeyboardInterrupt:
        return 130  # while it was being imported: nothing had begun
    except Exception as error:
        print(show(error), end="", file=sys.stderr)
        return 1
    return 0


def _find(target: str) -> Main:
    name, found = load(target)
    return main_of(found, name)


def _with_value(word: str) -> str:
    return f"{word}={_BARE[word]}" if word in _BARE else word


class _Parser(argparse.ArgumentParser):
    """Knows that the value of some options may be left out, which argparse cannot say."""

    def format_help(self) -> str:
        return _bracketed(super().format_help())

    def format_usage(self) -> str:
        return _bracketed(super().format_usage())

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments"):
            message += f"; the value of {' and '.join(_BARE)} is joined by =, as --asyncio=uvloop"
        super().error(message)


def _bracketed(text: str) -> str:
    return re.sub(rf"({'|'.join(_BARE)}) ([^\s\]]+)", r"\1[=\2]", text)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of the command line. SystemExit, with a message, if they are wrong."""
    return parser().parse_args([_with_value(word) for word in arguments])


def parser() -> argparse.ArgumentParser:
    """The options, made of the settings."""
    made = _Parser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("target", metavar="TARGET", help="what to serve: MODULE:NAME")
    made.add_argument("-V", "--version", action="version", version=f"tornado-trio {__version__}")
    for setting in dataclasses.fields(Settings):
        option = "--" + setting.name.replace("_", "-")
        metavar, text = setting.metadata["metavar"], setting.metadata["help"]
        if option in _BARE:
            made.add_argument(option, metavar=metavar.lstrip("[=").rstrip("]"), help=text)
        elif metavar is None:
            made.add_argument(
                option, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        else:
            made.add_argument(option, metavar=metavar, help=text)
    made.add_argument(
        "--check",
        action="store_true",
        help="load it, try the address and the certificate, and exit",
    )
    return made
