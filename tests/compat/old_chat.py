"""A chat as programs of Tornado 2 and 3 were written: long polls, callbacks, sign-in mixins.

Run with a generation; talks to itself and prints what came of it.
"""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import os
import sys
import tempfile
import urllib.parse
import uuid

import tornado.auth
import tornado.escape
import tornado.httpclient
import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.options
import tornado.web
from tornado.options import define, options

define("port", default=0, help="port to listen on", type=int)


class Application(tornado.web.Application):
    def __init__(self, templates):
        handlers = [
            (r"/", MainHandler),
            (r"/login", LoginHandler),
            (r"/google", GoogleHandler),
            (r"/facebook", FacebookHandler),
            (r"/friendfeed", FriendFeedHandler),
            (r"/new", NewHandler),
            (r"/updates", UpdatesHandler),
        ]
        tornado.web.Application.__init__(
            self,
            handlers,
            cookie_secret="secret",
            login_url="/login",
            template_path=templates,
            xsrf_cookies=False,
            autoescape="xhtml_escape",
            facebook_api_key="key",
            facebook_secret="secret",
            transforms=[tornado.web.ChunkedTransferEncoding],
        )


class BaseHandler(tornado.web.RequestHandler):
    def get_current_user(self):
        user = self.get_secure_cookie("user")
        return tornado.escape.json_decode(user) if user else None


class Messages:
    waiters = []
    cache = []

    def wait_for_messages(self, callback):
        Messages.waiters.append(callback)

    def new_messages(self, messages):
        waiters, Messages.waiters = Messages.waiters, []
        for callback in waiters:
            callback(messages)
        Messages.cache += messages


class MainHandler(BaseHandler):
    @tornado.web.authenticated
    def get(self):
        self.render("index.html", messages=Messages.cache)


class NewHandler(BaseHandler, Messages):
    @tornado.web.authenticated
    def post(self):
        message = {
            "id": str(uuid.uuid4()),
            "from": self.current_user["first_name"],
            "body": self.get_argument("body"),
        }
        message["html"] = tornado.escape.to_unicode(
            self.render_string("message.html", message=message)
        )
        self.write(message)
        self.new_messages([message])


class UpdatesHandler(BaseHandler, Messages):
    @tornado.web.authenticated
    @tornado.web.asynchronous
    def post(self):
        self.wait_for_messages(self.async_callback(self.on_new_messages))

    def on_new_messages(self, messages):
        if self.request.connection.stream.closed():
            return
        self.finish({"messages": messages})


class LoginHandler(BaseHandler):
    def get(self):
        name = self.get_argument("name", "nobody")
        self.set_secure_cookie("user", tornado.escape.json_encode({"first_name": name}))
        self.redirect("/")


class GoogleHandler(BaseHandler, tornado.auth.GoogleMixin):
    @tornado.web.asynchronous
    def get(self):
        if self.get_argument("openid.mode", None):
            self.get_authenticated_user(self.async_callback(self._on_auth))
            return
        if self.get_argument("elsewhere", None):
            self._OPENID_ENDPOINT = "http://provider.test/openid"
        self.authenticate_redirect(ax_attrs=["name"])

    def _on_auth(self, user):
        if not user:
            raise tornado.web.HTTPError(500, "Google auth failed")
        self.finish("signed in")


class FacebookHandler(BaseHandler, tornado.auth.FacebookMixin):
    @tornado.web.asynchronous
    def get(self):
        if self.get_argument("session", None):
            self.get_authenticated_user(self.async_callback(self._on_auth))
            return
        self.facebook_request(
            method="stream.get", callback=self.async_callback(self._on_stream), session_key="x"
        )

    def _on_auth(self, user):
        self.finish("no user" if user is None else "a user")

    def _on_stream(self, stream):
        self.finish("no stream" if stream is None else "a stream")


class FriendFeedHandler(BaseHandler, tornado.auth.FriendFeedMixin):
    @tornado.web.asynchronous
    def get(self):
        self.authorize_redirect()


class Talk:
    """The clients, one step after the other, in callbacks."""

    def __init__(self, url):
        self.url = url
        self.client = tornado.httpclient.AsyncHTTPClient()
        self.cookie = ""
        self.told = []
        self.waiting = 2

    def fetch(self, path, callback, **kwargs):
        request = tornado.httpclient.HTTPRequest(
            self.url + path, headers={"Cookie": self.cookie}, follow_redirects=False, **kwargs
        )
        self.client.fetch(request, callback)

    def start(self):
        self.fetch("/login?name=me", self.on_login)

    def on_login(self, response):
        self.cookie = response.headers["Set-Cookie"].split(";")[0]
        for _ in range(2):
            self.fetch("/updates", self.on_update, method="POST", body="")
        self.wait_for_polls()

    def wait_for_polls(self):
        if len(Messages.waiters) < 2:
            tornado.ioloop.IOLoop.instance().add_callback(self.wait_for_polls)
            return
        body = urllib.parse.urlencode({"body": "<hello>"})
        self.fetch("/new", lambda response: None, method="POST", body=body)

    def on_update(self, response):
        message = tornado.escape.json_decode(response.body)["messages"][0]
        print("update", message["from"], message["html"].strip())
        self.waiting -= 1
        if not self.waiting:
            self.fetch("/", self.on_page)

    def on_page(self, response):
        print("page", response.body.decode().strip())
        self.paths = ["/google", "/google?elsewhere=1", "/google?openid.mode=id_res", "/facebook",
                      "/facebook?session=x", "/friendfeed"]  # fmt: skip
        self.next()

    def next(self):
        if not self.paths:
            tornado.ioloop.IOLoop.instance().stop()
            return
        path = self.paths.pop(0)
        self.fetch(path, lambda response: self.on_sign_in(path, response))

    def on_sign_in(self, path, response):
        location = response.headers.get("Location", "").partition("?")[0]
        said = response.body.decode() if response.code == 200 else ""
        print(path, response.code, location or said)
        self.next()


def main():
    tornado.options.parse_command_line()
    with tempfile.TemporaryDirectory() as templates:
        for name, text in (
            ("index.html", "{% for message in messages %}{% include 'message.html' %}{% end %}"),
            ("message.html", "<b>{{ message['from'] }}: {{ message['body'] }}</b>"),
        ):
            with open(os.path.join(templates, name), "w") as file:
                file.write(text)
        sockets = tornado.netutil.bind_sockets(options.port, "127.0.0.1")
        server = tornado.httpserver.HTTPServer(Application(templates))
        server.add_sockets(sockets)
        talk = Talk(f"http://127.0.0.1:{sockets[0].getsockname()[1]}")
        tornado.ioloop.IOLoop.instance().add_callback(talk.start)
        tornado.ioloop.IOLoop.instance().start()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
