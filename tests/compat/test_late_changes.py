"""Changes of the head after it was sent: silent as Tornado's, unless the program debugs."""

import compat  # noqa: F401  isort: skip

import logging
import unittest

from tornado import testing, web


class Late(web.RequestHandler):
    async def get(self):
        self.write("x")
        await self.flush()
        self.set_header("X-Late", "1")
        self.set_status(202)
        assert self.get_status() == 202  # as Tornado's


class Quiet(testing.AsyncHTTPTestCase):
    debug = False

    def get_app(self):
        return web.Application([("/", Late)], debug=self.debug, autoreload=False)

    def late(self):
        with self.assertLogs("tornado", logging.INFO) as caught:
            response = self.fetch("/")
        self.assertEqual((response.code, response.body), (200, b"x"))
        self.assertNotIn("X-Late", response.headers)
        return [each for each in caught.output if "no effect" in each]

    def test_silent(self):
        self.assertEqual(self.late(), [])


class Debugging(Quiet):
    debug = True

    def test_silent(self):
        (message,) = self.late()
        self.assertIn(f"set_header() has no effect at {__file__}:", message)


if __name__ == "__main__":
    unittest.main()
