"""What `tornado.testing` had before Tornado 5 (reached through it).

Knows unittest and logging only.
"""

from __future__ import annotations

import io
import logging
import unittest

__all__ = ["LogTrapTestCase"]


class LogTrapTestCase(unittest.TestCase):
    """A test case whose log output is shown only when the test fails."""

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        logger = logging.getLogger()
        if not logger.handlers:
            logging.basicConfig()
        handler = logger.handlers[0]
        if len(logger.handlers) > 1 or not isinstance(handler, logging.StreamHandler):
            # The logs go where we cannot catch them.
            return super().run(result)
        old_stream = handler.stream
        capture = io.StringIO()
        handler.stream = capture
        try:
            capture.write(f"RUNNING TEST: {self}\n")
            before = _problems(result)
            outcome = super().run(result)
            if _problems(result) != before:
                old_stream.write(capture.getvalue())
            return outcome
        finally:
            handler.stream = old_stream


def _problems(result: unittest.TestResult | None) -> int:
    return 0 if result is None else len(result.failures) + len(result.errors)
