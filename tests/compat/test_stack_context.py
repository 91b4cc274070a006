"""Contexts follow callbacks: through the loop, timers, threads, Futures, coroutines."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import contextlib
import unittest
from concurrent.futures import ThreadPoolExecutor

import pytest
from tornado import gen, stack_context, testing
from tornado.stack_context import (
    ExceptionStackContext,
    NullContext,
    StackContext,
    StackContextInconsistentError,
    run_with_stack_context,
    wrap,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*gone since Tornado 6")


class ContextTest(testing.AsyncTestCase):
    def setUp(self):
        super().setUp()
        self.active = []
        self.caught = []

    @contextlib.contextmanager
    def named(self, name):
        self.active.append(name)
        try:
            yield
        finally:
            self.active.remove(name)

    def catch(self, typ, value, traceback):
        self.caught.append(str(value))
        self.stop()
        return True

    def fail_with(self, text):
        raise ValueError(text)

    def test_what_the_end_of_a_test_cancels_does_not_fail_it(self):
        ended = []

        async def forever():
            await gen.sleep(3600)

        def told(future):
            ended.append(future.cancelled())
            future.result()

        class Case(testing.AsyncTestCase):
            @testing.gen_test
            async def test(self):
                self.io_loop.add_future(gen.convert_yielded(forever()), told)
                await gen.sleep(0)

        result = unittest.TestResult()
        Case("test").run(result)
        assert ended == [True]
        assert result.wasSuccessful(), result.errors

    def test_callbacks_and_timers(self):
        def first():
            assert self.active == ["outer", "inner"]
            self.io_loop.call_later(0.001, second)

        def second():
            assert self.active == ["outer", "inner"]
            self.io_loop.add_callback(self.stop)

        with StackContext(lambda: self.named("outer")):
            with StackContext(lambda: self.named("inner")):
                self.io_loop.add_callback(first)
            assert self.active == ["outer"]
        self.wait()
        assert self.active == []

    def test_exceptions_go_outwards_until_one_handler_takes_them(self):
        order = []

        def see(name, handled):
            def handler(typ, value, traceback):
                order.append(name)
                if handled:
                    self.stop()
                return handled

            return handler

        with ExceptionStackContext(see("outer", True)), ExceptionStackContext(see("inner", False)):
            self.io_loop.add_callback(self.fail_with, "x")
        self.wait()
        assert order == ["inner", "outer"]

    def test_a_handler_works_outside_its_context(self):
        def handler(typ, value, traceback):
            self.io_loop.add_callback(self.fail_with, "of the handler")
            return True

        with ExceptionStackContext(self.catch), ExceptionStackContext(handler):
            self.io_loop.add_callback(self.fail_with, "of the callback")
        self.wait()
        assert self.caught == ["of the handler"]

    def test_futures_of_threads(self):
        with ThreadPoolExecutor(1) as pool, ExceptionStackContext(self.catch):
            self.io_loop.add_future(pool.submit(int), lambda done: self.fail_with("thread"))
        self.wait()
        assert self.caught == ["thread"]

    def test_deactivated(self):
        with StackContext(lambda: self.named("gone")) as deactivate:
            self.io_loop.add_callback(lambda: self.stop(list(self.active)))
        deactivate()
        assert self.wait() == []

    def test_wrapped_ones_keep_their_own(self):
        with StackContext(lambda: self.named("own")):
            wrapped = wrap(lambda: self.stop(list(self.active)))
        assert wrap(wrapped) is wrapped
        assert wrap(None) is None
        with NullContext():
            self.io_loop.add_callback(wrapped)
        assert self.wait() == ["own"]

    def test_nothing_follows_out_of_a_null_context(self):
        with StackContext(lambda: self.named("request")):
            with NullContext():
                self.io_loop.add_callback(lambda: self.stop(list(self.active)))
            assert stack_context._state.contexts[1] is not None
        assert self.wait() == []

    def test_spawned_callbacks_are_nobodys(self):
        with ExceptionStackContext(self.catch):
            self.io_loop.spawn_callback(self.fail_with, "nobody's")
        self.io_loop.add_callback(self.stop)
        with testing.ExpectLog("tornado.application", "Exception in callback"):
            self.wait()
        assert self.caught == []

    @testing.gen_test
    def test_yield_inside_a_with_block(self):
        @gen.coroutine
        def wrong():
            with StackContext(lambda: self.named("x")):
                yield gen.moment

        with self.assertRaises(StackContextInconsistentError):
            yield wrong()
        assert self.active == []

    @testing.gen_test
    def test_coroutines_inside_a_context(self):
        @gen.coroutine
        def right():
            yield gen.sleep(0)
            return list(self.active)

        names = yield run_with_stack_context(StackContext(lambda: self.named("x")), right)
        assert names == ["x"]

    def test_a_context_that_cannot_be_entered(self):
        with self.assertRaises(ZeroDivisionError), StackContext(lambda: 1 // 0):
            pass
        assert stack_context._state.contexts[0] == self.base()

    def base(self):
        """The test case's own context, which errors in callbacks are reported to."""
        return stack_context._state.contexts[0][:1]
