"""What IOLoop had until Tornado 5; the `io_loop=` argument."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import signal
import socket
import threading
import time

import pytest
from tornado import gen, httpclient, iostream, netutil, tcpclient, tcpserver, testing
from tornado.ioloop import IOLoop, PeriodicCallback, PollIOLoop
from tornado.platform.asyncio import AsyncIOLoop
from tornado.platform.select import SelectIOLoop
from tornado.stack_context import NullContext

pytestmark = pytest.mark.filterwarnings("ignore:.*gone since Tornado 6")


class BlockingTest(testing.AsyncTestCase):
    def tearDown(self):
        self.io_loop.set_blocking_log_threshold(None)
        super().tearDown()

    def test_a_blocked_loop_logs_its_stack(self):
        def block():
            until = time.monotonic() + 0.1
            while time.monotonic() < until:
                pass
            self.stop()

        self.io_loop.set_blocking_log_threshold(0.02)
        self.io_loop.call_later(0.01, block)
        with testing.ExpectLog("tornado.general", "(?s)IOLoop blocked for 0.02.*in block"):
            self.wait()

    def test_an_idle_loop_is_not_blocked(self):
        signals = []
        self.io_loop.set_blocking_signal_threshold(0.04, lambda *args: signals.append(args))
        self.io_loop.call_later(0.2, self.stop)
        self.wait()
        assert signals == []
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0  # nor is one that stands still


class IOLoopTest(testing.AsyncTestCase):
    def test_handle_callback_exception(self):
        class Telling(AsyncIOLoop):
            def handle_callback_exception(loop, callback):
                told.append(callback)

        told = []
        loop = Telling(make_current=False)
        self.addCleanup(loop.close)

        def fail():
            raise ValueError

        with NullContext():  # the test case's own would take the exception
            loop.add_callback(fail)
        loop.add_callback(loop.stop)
        loop.start()
        assert told == [fail]

    def test_poll_ioloop(self):
        assert issubclass(SelectIOLoop, PollIOLoop)
        loop = PollIOLoop(make_current=False, time_func=lambda: 42.0)
        assert loop.time() == 42.0
        loop.close()


class ArgumentTest(testing.AsyncTestCase):
    def makers(self):
        def stream(loop):
            ours, theirs = socket.socketpair()
            self.addCleanup(ours.close)
            self.addCleanup(theirs.close)
            return iostream.IOStream(ours, io_loop=loop)

        return [
            stream,
            lambda loop: tcpserver.TCPServer(io_loop=loop),
            lambda loop: tcpclient.TCPClient(io_loop=loop),
            lambda loop: netutil.BlockingResolver(io_loop=loop),
            lambda loop: PeriodicCallback(int, 1000, io_loop=loop),
            lambda loop: httpclient.AsyncHTTPClient(loop, force_instance=True),
            lambda loop: gen.with_timeout(self.io_loop.time() + 1, gen.sleep(0), loop),
        ]

    def test_the_loop_itself(self):
        for make in self.makers():
            make(self.io_loop)

    def test_a_closed_loop(self):
        loop = IOLoop(make_current=False)
        loop.close()
        for make in self.makers():
            with self.assertRaisesRegex(RuntimeError, "is closed"):
                make(loop)

    def test_a_loop_that_runs_in_another_thread(self):
        loop = IOLoop(make_current=False)
        running = threading.Event()
        loop.add_callback(running.set)
        thread = threading.Thread(target=loop.start)
        thread.start()
        try:
            running.wait(5)
            for make in self.makers():
                with self.assertRaisesRegex(RuntimeError, "another thread"):
                    make(loop)
        finally:
            loop.add_callback(loop.stop)
            thread.join(5)
            loop.close()

    def test_no_loop_at_all(self):
        with self.assertRaisesRegex(TypeError, "must be an IOLoop"):
            PeriodicCallback(int, 1000, io_loop=object())
