"""`tornado.gen` as it was until Tornado 5: `engine`, `Task`, yield points.

A yield point waits for callbacks instead of a Future; its results are kept by the runner
of the generator, under keys. Knows coroutines and contexts; reached through
attributes of `tornado.gen`, so programs of today do not load it.
"""

from __future__ import annotations

import collections
import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

from tornado._impl.generation import before, old_idiom
from tornado._impl.legacy import contexts
from tornado._impl.legacy.contexts import (
    ExceptionStackContext,
    NullContext,
    StackContextInconsistentError,
    _call,
    _current,
    wrap,
)
from tornado._impl.loop import coroutines
from tornado._impl.loop.yielded import (
    KeyReuseError,
    LeakedCallbackError,
    QuietExceptions,
    ReturnValueIgnoredError,
    UnknownKeyError,
    convert_yielded,
)
from tornado.concurrent import Future, future_set_exc_info
from tornado.ioloop import IOLoop
from tornado.log import app_log

__all__ = [
    "Arguments",
    "Callback",
    "MultiYieldPoint",
    "Task",
    "Wait",
    "WaitAll",
    "YieldFuture",
    "YieldPoint",
    "engine",
]

Arguments = collections.namedtuple("Arguments", ["args", "kwargs"])  # as it was
Arguments.__doc__ = "What a callback got that was called with more than one argument."


def engine(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a generator function that reports through callbacks: calling it returns None.

    Its exceptions go to the `stack_context` of the caller (the request, for a handler).
    """
    old_idiom("gen.engine")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        # Its callback is its own, and no coroutine's.
        _report_to_caller(_run(functools.partial(func, *args, **kwargs)), func)

    return wrapper


def _make_coroutine_wrapper(func: Callable[..., Any], replace_callback: bool) -> Any:
    """`coroutine`, or with `replace_callback` false one that leaves ``callback=`` to `func`."""
    if replace_callback:
        return coroutines.coroutine(func)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return _run(functools.partial(func, *args, **kwargs))

    return wrapper


@coroutines.coroutine
def _run(func: Callable[[], Any]) -> Any:
    return func()  # a generator: `coroutine` goes by what a function returns


def _report_to_caller(future: Any, func: Callable[..., Any]) -> None:
    def done(future: Any) -> None:
        result = future.result()
        if result is not None:
            raise ReturnValueIgnoredError(
                f"@gen.engine functions cannot return values: {func!r} returned {result!r}"
            )

    if future.done():
        done(future)
    else:
        IOLoop.current().add_future(future, wrap(done))


def Task(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Future:
    """A Future of what `func(*args, callback=...)` calls back with.

    Errors of `func`, and of callbacks that it registers, are the Future's.
    """
    old_idiom("gen.Task")
    future = Future()

    def failed(*exc_info: Any) -> bool:
        if future.done():
            return False
        future_set_exc_info(future, exc_info)
        return True

    def finished(result: Any) -> None:
        if not future.done():
            future.set_result(result)

    with ExceptionStackContext(failed, delay_warning=True):
        func(*args, callback=_one_argument(finished), **kwargs)
    return future


def _one_argument(callback: Callable[[Any], Any]) -> Callable[..., None]:
    """Let a callback of one argument be called with any: several become `Arguments`."""

    def wrapper(*args: Any, **kwargs: Any) -> None:
        if kwargs or len(args) > 1:
            callback(Arguments(args, kwargs))
        else:
            callback(args[0] if args else None)

    return wrapper


# --- yield points ----------------------------------------------------------------------
class YieldPoint:
    """Something a generator can yield that is started, and then asked when it is ready."""

    def start(self, runner: coroutines.Runner) -> None:
        """Called once, when the generator has yielded it."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Asked after `start`, and whenever a callback of the generator was called."""
        raise NotImplementedError

    def get_result(self) -> Any:
        """What the `yield` evaluates to; called once, when ready."""
        raise NotImplementedError


class Callback(YieldPoint):
    """Evaluates to a callback; `Wait(key)` waits until it is called, and for what with."""

    def __init__(self, key: Any) -> None:
        old_idiom("gen.Callback")
        self.key = key

    def start(self, runner: Any) -> None:
        self.runner = runner
        runner.register_callback(self.key)

    def is_ready(self) -> bool:
        return True

    def get_result(self) -> Any:
        return self.runner.result_callback(self.key)


class Wait(YieldPoint):
    """Evaluates to the argument with which the callback of `key` is called."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def start(self, runner: Any) -> None:
        self.runner = runner

    def is_ready(self) -> bool:
        ready: bool = self.runner.is_ready(self.key)
        return ready

    def get_result(self) -> Any:
        return self.runner.pop_result(self.key)


class WaitAll(YieldPoint):
    """Evaluates to the arguments of several callbacks, in the order of their keys."""

    def __init__(self, keys: Iterable[Any]) -> None:
        self.keys = list(keys)

    def start(self, runner: Any) -> None:
        self.runner = runner

    def is_ready(self) -> bool:
        return all(self.runner.is_ready(key) for key in self.keys)

    def get_result(self) -> list[Any]:
        return [self.runner.pop_result(key) for key in self.keys]


class YieldFuture(YieldPoint):
    """A Future as a yield point."""

    def __init__(self, future: Any, io_loop: IOLoop | None = None) -> None:
        self.future = future
        self.io_loop = io_loop or IOLoop.current()

    def start(self, runner: Any) -> None:
        self.runner = runner
        if not self.future.done():
            self.key = object()
            runner.register_callback(self.key)
            self.io_loop.add_future(self.future, runner.result_callback(self.key))

    def is_ready(self) -> bool:
        done: bool = self.future.done()
        return done

    def get_result(self) -> Any:
        if hasattr(self, "key"):
            self.runner.pop_result(self.key)
        return self.future.result()


class MultiYieldPoint(YieldPoint):
    """Several yield points (and Futures) at once: a list or dict of them."""

    def __init__(self, children: Any, quiet_exceptions: QuietExceptions = ()) -> None:
        self.keys = list(children) if isinstance(children, dict) else None
        values = children.values() if isinstance(children, dict) else children
        self.children = [_as_point(child) for child in values]
        self.quiet_exceptions = quiet_exceptions

    def start(self, runner: Any) -> None:
        for child in self.children:
            child.start(runner)

    def is_ready(self) -> bool:
        return all(child.is_ready() for child in self.children)

    def get_result(self) -> Any:
        values, error = [], None
        for child in self.children:
            try:
                values.append(child.get_result())
            except Exception as exc:
                if error is None:
                    error = exc
                elif not isinstance(exc, self.quiet_exceptions):
                    app_log.error("Multiple exceptions in yield list", exc_info=True)
        if error is not None:
            raise error
        return values if self.keys is None else dict(zip(self.keys, values, strict=True))


def _as_point(child: Any) -> YieldPoint:
    if isinstance(child, YieldPoint):
        return child
    if _holds_points(child):
        return MultiYieldPoint(child)
    return YieldFuture(convert_yielded(child))


def _holds_points(yielded: Any) -> bool:
    if not isinstance(yielded, (list, dict)):
        return False
    children = yielded.values() if isinstance(yielded, dict) else yielded
    return any(isinstance(child, YieldPoint) or _holds_points(child) for child in children)


# --- the runner --------------------------------------------------------------------------
class LegacyRunner(coroutines.Runner):
    """A runner that knows yield points, and whose steps must leave stack contexts balanced."""

    # Class attributes: a plain runner that meets its first yield point becomes one of these.
    _balanced: Any = None
    _deactivate: Callable[[], None] | None = None
    _point: YieldPoint | None = None
    _threw = False
    results: dict[Any, Any] | None = None
    pending_callbacks: set[Any] | None = None

    def __new__(cls, *args: Any) -> LegacyRunner:
        # Not in __init__, whose frame would hold the generator as long as a traceback does.
        self = super().__new__(cls)
        self._balanced = _current.get()
        return self

    def _wake(self, future: Any) -> None:
        if before(5):
            # There Futures call back at once; coroutines went on in the loop's next turn.
            self.io_loop.add_callback(self.ctx_run, self.run)
        else:
            self.ctx_run(_step, self.run)

    def _result_done(self, result: Any) -> None:
        if not before(5):  # there a coroutine went on when its Future was cancelled
            super()._result_done(result)

    def handle_yield(self, yielded: Any) -> bool:
        if self._balanced is not None and _current.get() is not self._balanced:
            return self._fail_with(
                StackContextInconsistentError(
                    "stack_context inconsistency (probably caused by yield within a "
                    '"with StackContext" block)'
                )
            )
        if isinstance(yielded, YieldPoint):
            return self._start(yielded)
        if _holds_points(yielded):
            return self._start(MultiYieldPoint(yielded))
        return super().handle_yield(yielded)

    def _fail_with(self, error: Exception) -> bool:
        """The error is what was waited for: the next step throws it."""
        self.future = Future()
        self.future.set_exception(error)
        return True

    def _start(self, point: YieldPoint) -> bool:
        if self.pending_callbacks is None:
            self.pending_callbacks, self.results = set(), {}
            # From now on the generator runs inside a context that throws the errors of its
            # callbacks into it. Its context variables are its own, so this stays set.
            context = ExceptionStackContext(self.handle_exception, delay_warning=True)
            self._deactivate = context.__enter__()
            self._balanced = _current.get()
        try:
            point.start(self)
            if point.is_ready():
                result = point.get_result()
                self.future = Future()
                self.future.set_result(result)
                return True
        except Exception as error:
            return self._fail_with(error)
        self.future = Future()
        self._point = point
        return False

    # --- results, by key ---
    def register_callback(self, key: Any) -> None:
        """Expect a result for `key`."""
        assert self.pending_callbacks is not None
        if key in self.pending_callbacks:
            raise KeyReuseError(f"key {key!r} is already pending")
        self.pending_callbacks.add(key)

    def is_ready(self, key: Any) -> bool:
        """Whether there is a result for `key`."""
        if self.pending_callbacks is None or key not in self.pending_callbacks:
            raise UnknownKeyError(f"key {key!r} is not pending")
        return self.results is not None and key in self.results

    def set_result(self, key: Any, result: Any) -> None:
        """Set the result for `key`; continue if nothing else is waited for."""
        if self.finished or self.results is None:
            return
        self.results[key] = result
        point = self._point
        try:
            if point is None or not point.is_ready():
                return
            self._point = None
            value = point.get_result()
        except Exception:
            future_set_exc_info(self.future, sys.exc_info())
        else:
            self.future.set_result(value)
        if not self.running:
            self.ctx_run(self.run)

    def pop_result(self, key: Any) -> Any:
        """Take the result for `key`, which is pending no longer."""
        assert self.pending_callbacks is not None and self.results is not None
        self.pending_callbacks.remove(key)
        return self.results.pop(key)

    def result_callback(self, key: Any) -> Callable[..., None]:
        """A callback that sets the result for `key`."""
        return wrap(_one_argument(functools.partial(self.set_result, key)))  # type: ignore[no-any-return]

    # --- ends ---
    def handle_exception(self, typ: Any, value: BaseException, tb: Any) -> bool:
        if self.running or self.finished:
            return False
        self._threw = True
        self._point = None
        return super().handle_exception(typ, value, tb)

    def _succeed(self, value: Any) -> None:
        if self.pending_callbacks and not self._threw:
            future_set_exc_info(
                self._finish(),
                (
                    None,
                    LeakedCallbackError(f"unfinished callbacks {self.pending_callbacks!r}"),
                    None,
                ),
            )
        else:
            super()._succeed(value)

    def _finish(self) -> Any:
        if self._deactivate is not None:
            self._deactivate()
        self._point = None
        return super()._finish()


def _step(run: Callable[[], None]) -> None:
    """Run a step inside the stack contexts of its coroutine (in its context variables)."""
    contexts = _current.get()
    if contexts:
        _call(contexts, run, (), {})
    else:
        run()


# --- contexts, once a program enters one --------------------------------------------------
_taught = False


def teach_contexts() -> None:
    """Have the loop enter contexts around its callbacks, and coroutines respect them."""
    global _taught
    if _taught:
        return
    _taught = True
    install()
    run, add_future, spawn = IOLoop._run_callback, IOLoop.add_future, IOLoop.spawn_callback

    def run_callback(loop: IOLoop, callback: Any, *args: Any) -> None:
        if _current.get() and not hasattr(getattr(callback, "func", None), "_contexts"):
            callback = wrap(callback)
        run(loop, callback, *args)

    def add_future_here(loop: IOLoop, future: Any, callback: Any) -> None:
        # Wrapped now: the Future of a thread pool calls back from another thread.
        add_future(loop, future, wrap(callback) if _current.get() else callback)

    def spawn_callback(loop: IOLoop, callback: Any, *args: Any, **kwargs: Any) -> None:
        with NullContext():
            spawn(loop, callback, *args, **kwargs)

    IOLoop._run_callback = run_callback  # type: ignore[method-assign, assignment]
    IOLoop.add_future = add_future_here  # type: ignore[method-assign, assignment]
    IOLoop.spawn_callback = spawn_callback  # type: ignore[method-assign, assignment]


def install() -> None:
    """Give every coroutine that begins from now on this kind of runner."""
    coroutines.Runner = LegacyRunner  # type: ignore[misc, assignment]


install()
contexts.on_first_use(teach_contexts)
