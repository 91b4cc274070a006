"""A tour of `RequestHandler`: what comes in, what goes out, and what happens in between.

    python -m compat examples/tour/tour.py --port=8888
    curl 'http://127.0.0.1:8888/arguments?a=1&a=2' -d 'b=3'

Each handler below shows one group of methods, each as few lines as possible.
"""

import os.path

import tornado.ioloop
import tornado.locale
import tornado.web
from tornado import gen
from tornado.httputil import format_timestamp
from tornado.options import define, options, parse_command_line

define("port", default=8888, help="port to listen on", type=int)


class BaseHandler(tornado.web.RequestHandler):
    """What an application wants everywhere goes into a base class of its own."""

    def set_default_headers(self):
        self.set_header("X-Tour", "Tornado")

    def write_error(self, status_code, **kwargs):
        """Errors of this application are JSON."""
        self.finish({"error": status_code, "reason": self._reason})


class ArgumentsHandler(BaseHandler):
    """Arguments: of the query, of the body, of both. The last one of a name wins."""

    def get(self):
        self.write(
            {
                "argument": self.get_argument("a"),
                "arguments": self.get_arguments("a"),
                "query": self.get_query_argument("a", None),
                "queries": self.get_query_arguments("a", strip=False),
                "body": self.get_body_argument("b", "none given"),
                "bodies": self.get_body_arguments("b"),
            }
        )

    post = get


class RequestHandler(BaseHandler):
    """What `self.request` knows."""

    def post(self):
        request = self.request
        self.write(
            {
                "method": request.method,
                "uri": request.uri,
                "path": request.path,
                "query": request.query,
                "version": request.version,
                "agent": request.headers.get("User-Agent"),
                "body": request.body.decode(),
                "remote_ip": request.remote_ip,
                "protocol": request.protocol,
                "host": request.host,
                "arguments": {name: len(values) for name, values in request.arguments.items()},
                "query_arguments": sorted(request.query_arguments),
                "body_arguments": sorted(request.body_arguments),
                "files": {
                    name: [[file.filename, file.content_type, len(file.body)] for file in files]
                    for name, files in request.files.items()
                },
                "cookies": {name: morsel.value for name, morsel in request.cookies.items()},
                "full_url": request.full_url(),
                "request_time": request.request_time() >= 0,
                "certificate": request.get_ssl_certificate(),
                "connection": request.connection is not None,
            }
        )


class OutputHandler(BaseHandler):
    """Status, headers, and what has been written so far: all may be changed until sent."""

    def get(self):
        self.write("This is never sent: ")
        self.clear()
        self.set_status(202, "Accepted for the tour")
        self.set_header("X-One", "replaced")
        self.set_header("X-One", 1)
        self.add_header("X-Many", "first")
        self.add_header("X-Many", "second")
        self.set_header("X-Gone", "soon")
        self.clear_header("X-Gone")
        self.set_header("Last-Modified", format_timestamp(1359312200))
        self.write("text, ")
        self.write(b"bytes, ")
        self.finish("the end")


class ChunksHandler(BaseHandler):
    """`flush` sends what there is; awaiting it waits until the client has room for more."""

    async def get(self):
        for number in range(int(self.get_argument("chunks", "3"))):
            self.write(f"chunk {number}\n")
            await self.flush()


class InterleavedHandler(BaseHandler):
    """The next piece is being made while the last one is being sent."""

    @gen.coroutine
    def fetch_next_chunk(self):
        self.pieces -= 1
        yield gen.sleep(0.001)
        return f"{self.pieces} to go\n" if self.pieces >= 0 else None

    @gen.coroutine
    def get(self):
        self.pieces = 3
        fetch_future = self.fetch_next_chunk()
        while True:
            chunk = yield fetch_future
            if chunk is None:
                break
            self.write(chunk)
            fetch_future = self.fetch_next_chunk()
            yield self.flush()


class TemplateHandler(BaseHandler):
    """`render` answers with a template, `render_string` only makes its bytes."""

    def get_template_namespace(self):
        namespace = super().get_template_namespace()
        namespace["place"] = "the tour"
        return namespace

    def get(self):
        if self.get_argument("twice", None):
            part = self.render_string("page.html", greeting="Part")
            self.write(part + part)
        else:
            self.render("page.html", greeting="Hello <you>")


class CookieHandler(BaseHandler):
    def get(self):
        if not self.get_cookie("mycookie"):
            self.set_cookie("mycookie", "myvalue", path="/cookies", httponly=True)
            self.set_cookie("week", "seven", expires_days=7)
            self.write("Your cookie was not set yet!")
        else:
            self.write("Your cookie was set!")

    def delete(self):
        if self.get_argument("all", None):
            self.clear_all_cookies()
        else:
            self.clear_cookie("mycookie", path="/cookies")
        self.write(", ".join(sorted(self.cookies)))


class SignedHandler(BaseHandler):
    """Signed cookies can be read by the client, but not made or changed."""

    def get(self):
        visits = int(self.get_secure_cookie("visits", max_age_days=31) or 0) + 1
        self.set_secure_cookie("visits", str(visits), expires_days=30)
        self.write(f"visit {visits}")


class LocaleHandler(BaseHandler):
    """In the language the user has chosen, else in that of the browser."""

    def get_user_locale(self):
        chosen = self.get_argument("locale", None)
        return tornado.locale.get(chosen) if chosen else None

    def get(self):
        translate = self.locale.translate
        count = int(self.get_argument("count", "2"))
        self.write(translate("Hello, %(name)s") % {"name": "Ann"} + "; ")
        self.write(translate("%(count)d story", "%(count)d stories", count) % {"count": count})
        self.write("; " + self.locale.friendly_number(1234567))


class RedirectHandler(BaseHandler):
    def get(self, how):
        if how == "permanent":
            self.redirect("/output", permanent=True)
        elif how == "see-other":
            self.redirect("output", status=303)
        else:
            self.redirect(self.reverse_url("output"))


class ErrorHandler(BaseHandler):
    """Four ways to end with an error; `write_error` makes the page of each."""

    def get(self, how):
        if how == "raise":
            raise tornado.web.HTTPError(403, reason="Not for you")
        if how == "send":
            self.send_error(409, reason="Try again")
            return
        if how == "missing":
            self.get_argument("needed")
        if how == "finish":
            self.set_status(418)
            raise tornado.web.Finish("no more")
        raise ZeroDivisionError("a mistake of the program")


class MethodsHandler(BaseHandler):
    """The order of events, and every method of HTTP."""

    def initialize(self, diary):
        self.diary = diary
        diary.append("initialize")

    def prepare(self):
        self.diary.append("prepare")

    def on_finish(self):
        self.diary.append("on_finish")

    def get(self, *args, **kwargs):
        self.diary.append("get")
        self.write("get")

    def head(self):
        self.diary.append("head")

    def post(self):
        self.write("post")

    def delete(self):
        self.write("delete")

    def patch(self):
        self.write("patch")

    def put(self):
        self.write("put")

    def options(self):
        self.set_header("Allow", "GET, HEAD, POST, DELETE, PATCH, PUT, OPTIONS")
        self.set_status(204)


class PatienceHandler(BaseHandler):
    """Long work, and how it learns that its client has gone."""

    def initialize(self, diary):
        self.diary = diary

    async def get(self):
        self.diary.append("begun")
        await gen.sleep(float(self.get_argument("seconds", "60")))
        self.write("done")

    def on_connection_close(self):
        self.diary.append("client gone")


def make_app(diary=None):
    here = os.path.dirname(os.path.abspath(__file__))
    diary = [] if diary is None else diary
    tornado.locale.load_translations(os.path.join(here, "locale"))
    return tornado.web.Application(
        [
            (r"/arguments", ArgumentsHandler),
            (r"/request", RequestHandler),
            tornado.web.url(r"/output", OutputHandler, name="output"),
            (r"/chunks", ChunksHandler),
            (r"/interleaved", InterleavedHandler),
            (r"/template", TemplateHandler),
            (r"/cookies", CookieHandler),
            (r"/signed", SignedHandler),
            (r"/locale", LocaleHandler),
            (r"/redirect/(\w+|see-other)", RedirectHandler),
            (r"/error/(\w+)", ErrorHandler),
            (r"/methods", MethodsHandler, {"diary": diary}),
            (r"/patience", PatienceHandler, {"diary": diary}),
            (
                r"/files/(.*)",
                tornado.web.StaticFileHandler,
                {"path": os.path.join(here, "static"), "default_filename": "index.html"},
            ),
        ],
        cookie_secret="a long random text of your own, from a file that is kept secret",
        template_path=os.path.join(here, "templates"),
        static_path=os.path.join(here, "static"),
        default_handler_class=tornado.web.ErrorHandler,
        default_handler_args={"status_code": 404},
    )


if __name__ == "__main__":
    parse_command_line()
    make_app().listen(options.port)
    tornado.ioloop.IOLoop.current().start()
