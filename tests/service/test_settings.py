"""Settings: one name everywhere, and the operator's word goes before the program's."""

from __future__ import annotations

import inspect

import pytest

from tornado_trio.service import CannotStart, Settings, run
from tornado_trio.service.settings import parse_setting, setting_names


def test_each_setting_is_an_argument_of_run() -> None:
    parameters = inspect.signature(run).parameters
    assert set(parameters) - {"main"} == set(setting_names())
    defaults = Settings()
    for name in setting_names():
        assert parameters[name].default == getattr(defaults, name), name


def test_the_environment_goes_before_the_program() -> None:
    environ = {
        "TORNADO_TRIO_PORT": "80",
        "TORNADO_TRIO_DRAIN_DELAY": "1.5",
        "TORNADO_TRIO_WORKERS": "auto",
        "TORNADO_TRIO_ACCESS_LOG": "no",
        "TORNADO_TRIO_ASYNCIO": "uvloop",
        "TORNADO_TRIO_PROXY_HEADERS": "10.0.0.1, 10.0.0.2",
        "TORNADO_TRIO_GENERATION": "4.5",  # another part's
    }
    settings = Settings(port=8888, grace=3).with_environment(environ)
    assert (settings.port, settings.grace, settings.drain_delay) == (80, 3, 1.5)
    assert settings.worker_count >= 1 and settings.workers == 0
    assert settings.access_log is False
    assert settings.asyncio == "uvloop"
    assert settings.proxy_headers == ("10.0.0.1", "10.0.0.2")
    assert Settings(port=1).with_environment({}) == Settings(port=1)


def test_another_kind_of_place_replaces_the_programs() -> None:
    settings = Settings(port=8888, host="::1").with_environment({"TORNADO_TRIO_UNIX": "/run/a"})
    assert (settings.unix, settings.port, settings.host) == ("/run/a", None, None)
    assert settings.updated({"fd": 3}) == Settings(fd=3)
    assert settings.updated({"port": 3}) == Settings(port=3)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("port", "x", "it is no number"),
        ("port", "70000", "port 70000 is not between 0 and 65535"),
        ("workers", "-1", "it is negative"),
        ("grace", "soon", "it is no number"),
        ("grace", "nan", "it is no number of seconds"),
        ("drain_delay", "-1", "it is no number of seconds"),
        ("reload", "perhaps", "it is neither yes nor no"),
        ("log_format", "xml", "it is neither text nor json"),
    ],
)
def test_bad_values_name_what_was_said(name: str, text: str, reason: str) -> None:
    with pytest.raises(CannotStart, match=rf"^--it={text}: {reason}$") as caught:
        parse_setting(name, text, "--it")
    assert caught.value.status == 2
    variable = f"TORNADO_TRIO_{name.upper()}"
    with pytest.raises(CannotStart, match=f"^{variable}={text}: "):
        Settings().with_environment({variable: text})


@pytest.mark.parametrize(
    "values",
    [{"unix": "/a", "port": 1}, {"unix": "/a", "fd": 3}, {"fd": 3, "host": "a"}, {"tls_key": "k"}]
    + [{"workers": -1}],
)
def test_settings_that_contradict_each_other(values: dict[str, object]) -> None:
    with pytest.raises(CannotStart):
        Settings(**values)  # type: ignore[arg-type]


def test_a_variable_that_is_nearly_a_setting(caplog: pytest.LogCaptureFixture) -> None:
    environ = {
        "TORNADO_TRIO_GRASE": "5",
        "TORNADO_TRIO_ACCES_LOG": "no",
        "TORNADO_TRIO_DRAIN": "3",  # the overlay's
        "TORNADO_TRIO_SERVICE_HOST": "10.0.0.1",  # Kubernetes', for a service of this name
        "TORNADO_TRIO_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    Settings().with_environment(environ)
    assert sorted(record.getMessage() for record in caplog.records) == [
        "TORNADO_TRIO_ACCES_LOG is no setting: did you mean TORNADO_TRIO_ACCESS_LOG?",
        "TORNADO_TRIO_GRASE is no setting: did you mean TORNADO_TRIO_GRACE?",
    ]
    caplog.clear()
    Settings().with_environment({**environ, "TORNADO_TRIO_WORKER": "a worker's place"})
    assert not caplog.records
