"""`gen.engine`, `gen.Task`, yield points, `return_future`, `callback=` of coroutines."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import pytest
from tornado import concurrent, gen, testing

pytestmark = pytest.mark.filterwarnings("ignore:.*gone since Tornado 6")


class EngineTest(testing.AsyncTestCase):
    def answer(self, value, callback, error=None):
        """A function in the manner of Tornado 3."""

        def run():
            if error is not None:
                raise error
            callback(value)

        self.io_loop.add_callback(run)

    def run_engine(self, func):
        """Run an engine that ends with `self.stop`; raises what it raises."""
        gen.engine(func)()
        return self.wait()

    def test_task(self):
        def main():
            one = yield gen.Task(self.answer, 1)
            both = yield [gen.Task(self.answer, 2), gen.Task(self.answer, 3)]
            named = yield {"four": gen.Task(self.answer, 4)}
            self.stop((one, both, named))

        assert self.run_engine(main) == (1, [2, 3], {"four": 4})

    def test_arguments(self):
        def several(callback):
            callback(1, 2, key="word")

        def main():
            self.stop((yield gen.Task(several)))

        got = self.run_engine(main)
        assert got == gen.Arguments((1, 2), {"key": "word"})
        assert got.args == (1, 2)

    def test_errors_of_callbacks_are_thrown_into_the_generator(self):
        def main():
            try:
                yield gen.Task(self.answer, 1, error=ValueError("lost"))
            except ValueError as error:
                self.stop(str(error))

        assert self.run_engine(main) == "lost"

    def test_callback_and_wait(self):
        def main():
            self.answer("a", callback=(yield gen.Callback("a")))
            self.answer("b", callback=(yield gen.Callback("b")))
            self.answer("c", callback=(yield gen.Callback("c")))
            first = yield gen.Wait("b")
            rest = yield gen.WaitAll(["c", "a"])
            self.stop((first, rest))

        assert self.run_engine(main) == ("b", ["c", "a"])

    def test_yield_points_beside_futures(self):
        async def native():
            return "native"

        def main():
            self.answer("point", callback=(yield gen.Callback("k")))
            self.stop((yield [gen.Wait("k"), native(), [gen.sleep(0)]]))

        assert self.run_engine(main) == ["point", "native", [None]]

    def test_a_coroutine_may_meet_its_first_yield_point_late(self):
        @gen.coroutine
        def main():
            yield gen.sleep(0)
            self.answer(5, callback=(yield gen.Callback("k")))
            return (yield gen.Wait("k"))

        assert self.io_loop.run_sync(main) == 5

    def test_misuse(self):
        def reused():
            yield gen.Callback("k")
            yield gen.Callback("k")

        def unknown():
            yield gen.Wait("k")

        def leaked():
            yield gen.Callback("k")

        def returning():
            yield gen.moment
            return 1

        for func, error in (
            (reused, gen.KeyReuseError),
            (unknown, gen.UnknownKeyError),
            (leaked, gen.LeakedCallbackError),
            (returning, gen.ReturnValueIgnoredError),
        ):
            with self.subTest(func.__name__), self.assertRaises(error):
                self.run_engine(func)

    def test_own_yield_points(self):
        class Soon(gen.YieldPoint):
            def __init__(self, value):
                self.value = value

            def start(self, runner):
                self.runner = runner
                runner.register_callback(self)
                self.runner.io_loop.add_callback(runner.result_callback(self), self.value)

            def is_ready(self):
                return self.runner.is_ready(self)

            def get_result(self):
                return self.runner.pop_result(self)

        def main():
            self.stop((yield gen.MultiYieldPoint([Soon(1), Soon(2)])))

        assert self.run_engine(main) == [1, 2]


class CallbackArgumentTest(testing.AsyncTestCase):
    def test_coroutines_take_a_callback(self):
        @gen.coroutine
        def double(x):
            yield gen.moment
            return 2 * x

        double(21, callback=self.stop)
        assert self.wait() == 42

    def test_unless_they_have_one_of_their_own(self):
        @gen.coroutine
        def own(callback):
            return callback

        @gen.coroutine
        def anything(**kwargs):
            return kwargs

        assert own(callback=1).result() == 1
        assert anything(callback=1).result() == {"callback": 1}


class ReturnFutureTest(testing.AsyncTestCase):
    def setUp(self):
        super().setUp()

        @concurrent.return_future
        def later(value, callback):
            if value is None:
                raise ValueError("at once")
            self.io_loop.add_callback(lambda: callback(10 // value))

        self.later = later

    def test_future_and_callback(self):
        future = self.later(5, callback=self.stop)
        assert self.wait() == 2
        assert future.result() == 2
        self.later(2, self.stop)
        assert self.wait() == 5

    def test_errors(self):
        with self.assertRaisesRegex(ValueError, "at once"):
            self.later(None)
        future = self.later(0)
        self.io_loop.add_future(future, self.stop)
        self.wait()
        assert isinstance(future.exception(), ZeroDivisionError)
        assert future.exc_info()[0] is ZeroDivisionError


def test_names():
    assert gen.TracebackFuture is concurrent.TracebackFuture is concurrent.Future
    assert "engine" in dir(gen)
    for module in (gen, concurrent):
        with pytest.raises(AttributeError):
            _ = module.no_such_name
