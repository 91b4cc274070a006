"""`Settings`: how a service is run, from the program, the environment and the command line.

Knows names, types and bounds of settings. Must not know how they are used.

One setting has one name everywhere: `drain_delay` in Python, TORNADO_TRIO_DRAIN_DELAY in the
environment, --drain-delay on the command line. The command line takes precedence over the
environment, and that over the program.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Literal

from .._util.records import dataclass
from ..log import gen_log
from .errors import CannotStart

__all__ = ["PREFIX", "Settings", "parse_setting", "setting_names"]

PREFIX = "TORNADO_TRIO_"
# Variables of other parts: the overlay's, the engine of HTTP, a worker's place.
_OTHERS = {
    PREFIX + name
    for name in ("DRAIN", "ENGINE", "GENERATION", "PUBLIC_ONLY", "REPORT", "WORKER")
}
DEFAULT_PORT = 8888

Parse = Callable[[str], Any]


def _boolean(text: str) -> bool:
    value = {"1": True, "true": True, "yes": True, "on": True}.get(text.lower())
    if value is None:
        if text.lower() not in ("", "0", "false", "no", "off"):
            raise ValueError("it is neither yes nor no")
        return False
    return value


def _port(text: str) -> int:
    from ..net.addresses import check_port

    port = check_port(text)
    if not isinstance(port, int):
        raise ValueError("it is no number")
    return port


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError("it is negative")
    return count


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds >= 0:
        raise ValueError("it is no number of seconds")
    return seconds


def _workers(text: str) -> int:
    return 0 if text == "auto" else _count(text)


def _asyncio(text: str) -> bool | Literal["uvloop"]:
    if text == "uvloop":
        return "uvloop"
    return True if text == "asyncio" else _boolean(text)


def _log_format(text: str) -> str:
    if text not in ("text", "json"):
        raise ValueError("it is neither text nor json")
    return text


def _proxies(text: str) -> bool | tuple[str, ...]:
    try:
        return _boolean(text)
    except ValueError:
        return tuple(part.strip() for part in text.split(",") if part.strip())


def _setting(default: Any, parse: Parse, metavar: str | None, help: str) -> Any:
    return field(default=default, metadata={"parse": parse, "metavar": metavar, "help": help})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a service is run.

    Attributes:
      host: where to listen, a name or an address; "" is every interface. None: 127.0.0.1 for an
        application, the arguments of `serve` for a program that calls it.
      port: the TCP port; 0 is any free one. None: 8888, or what the program sets.
      unix: the path of a Unix socket to listen on instead.
      fd: the number of an inherited listening descriptor, instead.
      workers: number of serving processes; 0 is one per processor.
      reload: start again when source changes; for development.
      tls_cert, tls_key: PEM files; the key may be in the certificate's.
      grace: seconds that requests under way get at shutdown. None: 30, or what the program sets.
      drain_delay: seconds between the stop signal and the closing of the listeners, in which
        `/ready` answers 503 and load balancers turn to other instances.
      asyncio: host the service on an asyncio loop, so that asyncio libraries work;
        "uvloop" hosts it on uvloop's.
      http2: HTTP/2 and HTTP/1.1 by Hypercorn's server instead of ours.
      log_format: "text" or "json", unless the program sets up logging itself.
      access_log: write a line for each request.
      proxy_headers: trust X-Forwarded-For and the like; or the proxies to trust.
      max_requests: a worker is replaced after about this many requests; 0: never.
      worker_timeout: a worker that does not respond for this many seconds is killed.
      inspect: the address of the inspection page, metrics and task tree, HOST:PORT; None: none.
      inspect_token: required for the page; without it, only loopback addresses are allowed.
      traces: make OpenTelemetry spans of requests, client requests included; its API must be
      installed.
      watchdog: seconds; a step that blocks the loop for longer is logged. 0: never; None: 0.1 in
        development (`reload`, or an application's `debug`), otherwise never.
    """

    host: str | None = _setting(
        None, str, "ADDRESS", "listen there (127.0.0.1); '' is every interface"
    )
    port: int | None = _setting(
        None, _port, "NUMBER", f"listen on this TCP port ({DEFAULT_PORT}); 0 is any free one"
    )
    unix: str | None = _setting(None, str, "PATH", "listen on a Unix socket instead")
    fd: int | None = _setting(None, _count, "NUMBER", "listen on an inherited descriptor instead")
    workers: int = _setting(
        1, _workers, "COUNT", "processes that serve (1); 0 is one for each processor"
    )
    reload: bool = _setting(
        False, _boolean, None, "start again when source changes; for development"
    )
    tls_cert: str | None = _setting(None, str, "FILE", "serve https with this certificate (PEM)")
    tls_key: str | None = _setting(None, str, "FILE", "its key, if it is in a file of its own")
    grace: float | None = _setting(
        None, _seconds, "SECONDS", "what requests under way get at the end (30)"
    )
    drain_delay: float = _setting(
        0.0, _seconds, "SECONDS", "go on accepting for so long after the signal to end (0)"
    )
    asyncio: bool | Literal["uvloop"] = _setting(
        False, _asyncio, "[=uvloop]", "host the service on asyncio's loop, for its libraries"
    )
    http2: bool = _setting(
        False, _boolean, None, "HTTP/2 too: have Hypercorn serve (extra http2)"
    )
    log_format: str = _setting("text", _log_format, "text|json", "what log lines look like (text)")
    access_log: bool = _setting(True, _boolean, None, "write a line for each request (yes)")
    proxy_headers: bool | tuple[str, ...] = _setting(
        False, _proxies, "[=PROXY,...]", "believe X-Forwarded-For and its kin"
    )
    max_requests: int = _setting(
        0, _count, "COUNT", "replace a worker after about so many requests (never)"
    )
    worker_timeout: float = _setting(
        30.0, _seconds, "SECONDS", "kill a worker that does not answer for so long (30); 0: never"
    )

    inspect: str | None = _setting(
        None, str, "HOST:PORT", "show what it is doing there: a page, /metrics, /tree"
    )
    inspect_token: str | None = _setting(None, str, "TOKEN", "what one has to know to look there")
    traces: bool = _setting(
        False, _boolean, None, "make OpenTelemetry spans of requests, of clients' too"
    )
    watchdog: float | None = _setting(
        None, _seconds, "SECONDS", "log steps that hold the loop longer (0.1 while developing)"
    )

    def __post_init__(self) -> None:
        """Raises CannotStart: settings that contradict each other."""
        if self.workers < 0:
            raise CannotStart(f"workers must not be negative: {self.workers}", 2)
        places = [name for name in ("unix", "fd") if getattr(self, name) is not None]
        if self.port is not None or self.host is not None:
            places.append("port" if self.port is not None else "host")
        if len(places) > 1:
            raise CannotStart(f"{' and '.join(places)} exclude each other: choose one place", 2)
        if self.tls_key is not None and self.tls_cert is None:
            raise CannotStart("tls_key needs tls_cert", 2)

    @property
    def has_address(self) -> bool:
        """Whether an address was set."""
        return any(v is not None for v in (self.host, self.port, self.unix, self.fd))

    @property
    def supervised(self) -> bool:
        """Whether a parent process supervises workers: also a single one, if it is to be replaced
        at times, or as the first process of a container, which has to reap orphans."""
        return self.worker_count > 1 or self.reload or self.max_requests > 0 or os.getpid() == 1

    @property
    def worker_count(self) -> int:
        """The number of workers, at least one."""
        if self.workers:
            return self.workers
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    def updated(self, values: Mapping[str, Any]) -> Settings:
        """A copy with some settings replaced.

        An address replaces one of another kind: `unix` from the environment overrides the program's
        `port`.
        """
        kinds = ({"host", "port"}, {"unix"}, {"fd"})
        chosen = [kind for kind in kinds if kind & values.keys()]
        dropped = {name: None for kind in kinds if chosen and kind not in chosen for name in kind}
        return dataclasses.replace(self, **{**dropped, **values})

    def with_environment(self, environ: Mapping[str, str] = os.environ) -> Settings:
        """These settings with those of TORNADO_TRIO_*. Raises CannotStart for bad ones."""
        values = {}
        self._warn_of_typos(environ)
        for name in setting_names():
            variable = PREFIX + name.upper()
            if (text := environ.get(variable)) is not None:
                values[name] = parse_setting(name, text, variable)
        return self.updated(values) if values else self

    @staticmethod
    def _warn_of_typos(environ: Mapping[str, str]) -> None:
        """Of a variable whose name is nearly a setting's. (Others are not ours to judge:
        Kubernetes makes TORNADO_TRIO_SERVICE_HOST for a service of that name.)"""
        known = {PREFIX + name.upper() for name in setting_names()}
        unknown = [name for name in environ if name.startswith(PREFIX) and name not in known]
        if unknown and PREFIX + "WORKER" not in environ:  # whose parent has said it
            from difflib import get_close_matches  # for these few

            for name in set(unknown) - _OTHERS:
                near = get_close_matches(name, known | _OTHERS, 1, 0.9)
                if near:
                    gen_log.warning("%s is no setting: did you mean %s?", name, near[0])


def setting_names() -> list[str]:
    """The names of all settings, in display order."""
    return [each.name for each in dataclasses.fields(Settings)]


def parse_setting(name: str, text: str, shown: str) -> Any:
    """The value of a setting from text. Raises CannotStart, which calls it `shown`."""
    parse: Parse = next(
        each.metadata["parse"] for each in dataclasses.fields(Settings) if each.name == name
    )
    try:
        return parse(text)
    except ValueError as error:
        reason = str(error)
        if reason.startswith(("invalid literal", "could not convert")):
            reason = "it is no number"
        raise CannotStart(f"{shown}={text}: {reason}", 2) from None
