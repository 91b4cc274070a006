"""The three loggers of a web application, under the names Tornado's users configure."""

import logging

access_log = logging.getLogger("tornado.access")  # one line per request
app_log = logging.getLogger("tornado.application")  # uncaught exceptions of handlers
gen_log = logging.getLogger("tornado.general")  # bad requests, other warnings

__all__ = ["access_log", "app_log", "gen_log"]
