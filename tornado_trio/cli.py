"""The command `tornado-trio`: run programs with the overlay, print its path, serve, and more.

Knows where the overlay's folder lies (beside this package) and how `sys.path` and
PYTHONPATH look with it; must not import it, nor (but for `serve`, which is
`service.command`) anything of the library: the program that is run decides what gets loaded.

    tornado-trio run app.py ARGS...     also: -m MODULE, -c CODE, and before them
                                        --generation 4.5, --report, --drain,
                                        --inspect HOST:PORT
    tornado-trio path                   PYTHONPATH=$(tornado-trio path) anything

`python -m tornado_trio` is the same command.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
import types
from typing import NoReturn

from tornado_trio._util.program import CannotRun, Program

__all__ = ["launch", "main", "overlay_folder"]

RUN = """\
run a Python program with `import tornado` meaning this project's overlay
       --generation RELEASE  answer for that release of Tornado (4.5, 5.1) where it
                             and today's contradict each other
       --inspect HOST:PORT   show there what it is doing: a page, /metrics, /tree
       --report              list at exit what the program uses of Tornado before 6
       --drain[=SECONDS]     at the end of its loop, let HTTP servers answer the requests
                             under way (30 seconds unless said), then only cut them
       --version             say which tornado-trio this is
"""
USAGE = f"""\
usage: tornado-trio serve [OPTION...] MODULE:NAME
       tornado-trio run [OPTION...] [-m MODULE | -c CODE | SCRIPT] [ARGUMENT...]
       tornado-trio inspect [OPTION...] URL
       tornado-trio openapi MODULE:NAME
       tornado-trio explain [NAME]
       tornado-trio path
       tornado-trio --version

serve  run a native service; `tornado-trio serve --help` says more
run    {RUN}inspect  show what the tasks of a running service do; `tornado-trio inspect --help`
openapi  print the OpenAPI document of an api.Application
explain  say what a message means that names it, and what to do
path   print the overlay's folder, to be put on PYTHONPATH
"""
COMMANDS = "run, serve, inspect, openapi, explain and path"


def overlay_folder() -> str:
    """The folder that holds the package `tornado`."""
    here = os.path.dirname(os.path.abspath(__file__))
    return os.path.join(os.path.dirname(here), "compat")


def main(argv: list[str] | None = None) -> int:
    """The console script; returns the exit status, unless a program is run."""
    arguments = sys.argv[1:] if argv is None else argv
    match arguments:
        case ["run", *command]:
            launch(command, usage="tornado-trio run")
        case ["serve", *options]:
            from tornado_trio.service.command import serve_command

            return serve_command(options)
        case ["inspect", *options]:
            from tornado_trio.observe.inspect_command import inspect_command

            return inspect_command(options)
        case ["openapi", target]:
            from tornado_trio.service.describe import openapi_command

            return openapi_command(target)
        case ["openapi", *_]:
            error = "openapi takes one argument: MODULE:NAME, an api.Application"
        case ["explain", *names]:
            from tornado_trio._util.troubles import explain_command

            return explain_command(names)
        case ["path"]:
            print(overlay_folder())
            return 0
        case [("--version" | "-V"), *_] | ["path", ("--version" | "-V"), *_]:
            print(_version())
            return 0
        case [("--help" | "-h"), *_] | ["path", ("--help" | "-h"), *_]:
            print(USAGE, end="")
            return 0
        case ["path", word, *_]:
            error = f"path takes no arguments, and not {word!r}"
        case [word, *_]:
            kind = "option" if word.startswith("-") else "command"
            error = f"no {kind} {word!r}; the commands are {COMMANDS}"
            if os.path.exists(word):
                error += f" (tornado-trio run {word}, perhaps)"
        case _:
            error = f"a command is required; the commands are {COMMANDS}"
    print(f"{USAGE}\ntornado-trio: error: {error}", file=sys.stderr)
    return 2


def _version() -> str:
    from tornado_trio import __version__

    return f"tornado-trio {__version__}"


def launch(command: list[str], *, usage: str) -> NoReturn:
    """Run `python *command` in this process with the overlay on, then exit.

    The program sees `sys.argv`, `__main__`, `__file__` and `sys.path[0]` as if the
    interpreter had run it with the overlay's folder on PYTHONPATH, where its children find
    it too.
    """
    synopsis = (
        f"usage: {usage} [--generation RELEASE] [--inspect HOST:PORT] [--report] "
        "[--drain[=SECONDS]] [-m MODULE | -c CODE | SCRIPT] [ARGUMENT...]"
    )
    if command[:1] in (["-h"], ["--help"]):
        print(f"{synopsis}\n\n{RUN}", end="")
        sys.exit(0)
    if command[:1] in (["-V"], ["--version"]):
        print(_version())
        sys.exit(0)
    try:
        command, settings = _take_options(command)
        program = Program.parse(command)
    except ValueError as error:
        print(synopsis, file=sys.stderr)
        print(f"{usage}: error: {error}", file=sys.stderr)
        sys.exit(2)
    os.environ.update(settings)
    folder = overlay_folder()
    # Bound before the program's own folder can be searched: neither an installed Tornado nor
    # one lying there (its own source, say) shall come first. The package loads next to nothing.
    sys.path.insert(0, folder)
    try:
        importlib.import_module("tornado")
    except ImportError as error:
        if "TORNADO_TRIO_GENERATION" not in str(error):
            raise
        message = str(error)
        if release := settings.get("TORNADO_TRIO_GENERATION"):
            variable = f"TORNADO_TRIO_GENERATION={release!r}"
            message = message.replace(variable, f"--generation {release}")
        print(f"{usage}: error: {message}", file=sys.stderr)
        sys.exit(2)
    _set_paths(program, folder)
    # Programs often have a compat.py of their own: ours must not be found in its place.
    sys.modules.pop("compat", None)
    try:
        program.run()
    except CannotRun as error:
        print(f"{sys.executable}: {error}", file=sys.stderr)
        sys.exit(error.status)
    except Exception as error:
        _report(error)
        sys.exit(1)
    except KeyboardInterrupt as error:
        # The interpreter has to see it: it ends the process by the signal, as shells expect.
        _report(error)
        sys.excepthook = lambda *shown: None
        raise
    sys.exit(0)


def _take_options(command: list[str]) -> tuple[list[str], dict[str, str]]:
    """The command without our own options before it, and the environment they ask for."""
    settings: dict[str, str] = {}
    while True:
        match command:
            case ["--generation", release, *rest]:
                settings["TORNADO_TRIO_GENERATION"] = release
            case [option, *rest] if option.startswith("--generation="):
                settings["TORNADO_TRIO_GENERATION"] = option.partition("=")[2]
            case ["--generation"]:
                raise ValueError("--generation needs a release, such as 4.5")
            case ["--inspect", address, *rest]:
                settings["TORNADO_TRIO_INSPECT"] = address
            case [option, *rest] if option.startswith("--inspect="):
                settings["TORNADO_TRIO_INSPECT"] = option.partition("=")[2]
            case ["--inspect"]:
                raise ValueError("--inspect needs an address, such as 127.0.0.1:9200")
            case ["--report", *rest]:
                settings["TORNADO_TRIO_REPORT"] = "1"
            case ["--drain", *rest]:
                settings["TORNADO_TRIO_DRAIN"] = "30"
            case [option, *rest] if option.startswith("--drain="):
                settings["TORNADO_TRIO_DRAIN"] = _seconds(option)
            case _:
                return command, settings
        command = rest


def _seconds(option: str) -> str:
    name, _, text = option.partition("=")
    try:
        if float(text) >= 0:
            return text
    except ValueError:
        pass  # said below
    raise ValueError(f"{name} takes seconds, such as {name}=30, and not {text!r}")


def _set_paths(program: Program, folder: str) -> None:
    """Put the overlay where PYTHONPATH would: behind the program's own folder."""
    while folder in sys.path:
        sys.path.remove(folder)
    extra = [folder]
    if sys.flags.safe_path:
        sys.path.insert(0, folder)
    else:
        # The interpreter's entry for this command (working or bin directory) is not the
        # program's.
        sys.path[:1] = [program.path_entry(), folder]
    importlib.invalidate_caches()
    root = os.path.dirname(folder)
    if importlib.machinery.PathFinder.find_spec("tornado_trio") is None and root not in sys.path:
        # Run from a checkout which is not installed. Last, so that it hides nothing.
        sys.path.append(root)
        extra.append(root)
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = [entry for entry in inherited if entry and entry not in extra]
    os.environ["PYTHONPATH"] = os.pathsep.join([folder, *others, *extra[1:]])


def _report(error: BaseException) -> None:
    """Show an uncaught exception as the interpreter would: without the frames that led here."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    # For debuggers that look at the last error (pdb.pm).
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    error.__traceback__ = trace
    sys.excepthook(type(error), error, trace)


def _is_ours(trace: types.TracebackType) -> bool:
    file = trace.tb_frame.f_code.co_filename
    return file in (__file__, Program.run.__code__.co_filename)


if __name__ == "__main__":
    sys.exit(main())
