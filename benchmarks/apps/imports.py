"""Milliseconds of processor to import what a web program imports. Prints one number."""

import time

start = time.process_time()

import tornado.httpclient  # noqa: E402
import tornado.ioloop  # noqa: E402
import tornado.web  # noqa: E402
import tornado.websocket  # noqa: E402, F401

print((time.process_time() - start) * 1000)
