"""`tornado.platform.twisted`: Twisted and Tornado in one process. Needs Twisted.

Twisted's own asyncio reactor runs on the asyncio loop that the IOLoop has; here is only
`install()`, and Deferreds that may be awaited and yielded in coroutines. The classes of
Tornado 4 are in `_impl/legacy/twisted.py`, loaded when asked for.
"""

from __future__ import annotations

from typing import Any

from tornado import gen
from tornado._impl.names import handing_on, listing
from tornado.concurrent import Future, future_set_exc_info
from twisted.internet.defer import Deferred
from twisted.python import failure


def install(io_loop: Any = None) -> Any:
    """Make Twisted's asyncio reactor the reactor of this process.

    Before anything imports `twisted.internet.reactor`. In newer programs:
    `twisted.internet.asyncioreactor.install()`.
    """
    from twisted.internet import asyncioreactor

    asyncioreactor.install(io_loop.asyncio_loop if io_loop is not None else None)
    from twisted.internet import reactor

    return reactor


@gen.convert_yielded.register(Deferred)  # type: ignore[untyped-decorator,unused-ignore]
def _(d: Deferred[Any]) -> Future:
    future = Future()

    def failed(reason: failure.Failure) -> None:
        try:
            reason.raiseException()
        except BaseException as exc:
            future_set_exc_info(future, (type(exc), exc, exc.__traceback__))

    d.addCallbacks(future.set_result, failed)
    return future


__getattr__ = handing_on("tornado.platform.twisted")
__dir__ = listing("tornado.platform.twisted")
