"""What every test may rely on."""

import signal

pytest_plugins = ["tornado_trio.testing.plugin"]


def pytest_configure() -> None:
    # Started in the background (`make test &`, nohup, many a job runner), a shell has SIGINT
    # ignored. Programs that the tests start inherit that, and would never end by it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
