"""`/health` and `/ready`: handlers that report the state to a load balancer or an orchestrator.

Know handlers, the service of the running task, and its jobs.

```python
rules = [
    (r"/health", Health),
    (r"/ready", Ready, {"checks": {"database": pool.ping}}),
]
```
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from ..jobs import jobs
from ..web.handler import RequestHandler
from .lifetime import current_service

__all__ = ["Check", "Health", "Ready"]

logger = logging.getLogger("tornado_trio.service")

Check = Callable[[], Awaitable[object]]


class Health(RequestHandler):
    """Liveness: 200 as long as the process answers."""

    async def get(self) -> None:
        """`{"status": "ok"}`."""
        self.set_header("Cache-Control", "no-store")
        self.write({"status": "ok"})

    head = get


class Ready(RequestHandler):
    """Readiness: 200 while new requests are accepted, otherwise 503.

    It is 503 from the first moment of a drain, while a critical job is not running, and when a
    check fails. Only names and states are shown.
    """

    def initialize(self, checks: Mapping[str, Check] | None = None, timeout: float = 1.0) -> None:
        """
        Args:
          checks: async functions by name; one that raises, or returns False, fails.
          timeout: seconds for all of them together.
        """
        self.checks = checks or {}
        self.timeout = timeout

    async def get(self) -> None:
        """`{"ready": ..., "state": ..., "checks": {name: passed}, "jobs": {name: state}}`."""
        service = current_service()
        state = "serving" if service is None else service.state
        passed = await self._check_all() if state == "serving" else {}
        critical = [job for job in jobs() if job.critical]
        ready = state == "serving" and all(passed.values()) and all(job.healthy for job in critical)
        answer: dict[str, Any] = {"ready": ready, "state": state}
        if passed:
            answer["checks"] = passed
        if critical:
            answer["jobs"] = {job.name: job.state for job in critical}
        self.set_header("Cache-Control", "no-store")
        self.set_status(200 if ready else 503)
        self.write(answer)

    head = get

    async def _check_all(self) -> dict[str, bool]:
        passed = dict.fromkeys(self.checks, False)

        async def run(name: str, check: Check) -> None:
            try:
                passed[name] = await check() is not False
            except Exception as error:
                logger.warning("not ready: check %s failed: %r", name, error)

        with trio.move_on_after(self.timeout) as limit:
            async with trio.open_nursery() as nursery:
                for name, check in self.checks.items():
                    nursery.start_soon(run, name, check)
        if limit.cancelled_caught:
            late = ", ".join(name for name, good in passed.items() if not good)
            logger.warning("not ready: no answer within %g s: %s", self.timeout, late)
        return passed
