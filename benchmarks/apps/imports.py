"""Milliseconds to import what a web program imports. Prints one number."""

import time

start = time.perf_counter()

import tornado.httpclient  # noqa: E402
import tornado.ioloop  # noqa: E402
import tornado.web  # noqa: E402
import tornado.websocket  # noqa: E402, F401

print((time.perf_counter() - start) * 1000)
