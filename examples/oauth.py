"""Log in with an account elsewhere: the OAuth 2 dance, for a provider given by its addresses.

    python -m compat examples/oauth.py --authorize=https://id.example/authorize \
        --token=https://id.example/token --profile=https://id.example/me --key=... --secret=...

For Google, Facebook, Twitter and GitHub-like providers see the mixins of `tornado.auth`, which
differ in little but their addresses.
"""

import os
import secrets
import urllib.parse

import tornado.ioloop
import tornado.web
from tornado.auth import OAuth2Mixin
from tornado.escape import json_decode, xhtml_escape
from tornado.options import define, options, parse_command_line

define("port", default=8888, help="port to listen on", type=int)
define("authorize", default="", help="where users are sent to say yes")
define("token", default="", help="where the code they bring back is exchanged")
define("profile", default="", help="where the token tells who they are")
define("key", default="", help="what the provider calls this program")
define("secret", default="", help="proves that it is this program")


class LoginHandler(tornado.web.RequestHandler, OAuth2Mixin):
    @property
    def provider(self):
        return self.settings["provider"]

    @property
    def _OAUTH_AUTHORIZE_URL(self):
        return self.provider["authorize"]

    async def get(self):
        here = f"{self.request.protocol}://{self.request.host}{self.request.path}"
        code = self.get_argument("code", None)
        if code is None:
            # Comes back with the code: proves that this browser began the dance.
            state = secrets.token_urlsafe(16)
            self.set_secure_cookie("state", state, expires_days=None, httponly=True)
            self.authorize_redirect(
                redirect_uri=here,
                client_id=self.provider["key"],
                scope=["profile"],
                response_type="code",
                extra_params={"state": state},
            )
            return
        state = self.get_secure_cookie("state")
        if state is None or not secrets.compare_digest(state, self.get_argument("state").encode()):
            raise tornado.web.HTTPError(403, reason="Not the browser that began")
        self.clear_cookie("state")
        token = await self.exchange(code, here)
        user = await self.oauth2_request(self.provider["profile"], access_token=token)
        self.set_secure_cookie("user", user["name"])
        self.redirect("/")

    async def exchange(self, code, here):
        body = urllib.parse.urlencode(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": here,
                "client_id": self.provider["key"],
                "client_secret": self.provider["secret"],
            }
        )
        response = await self.get_auth_http_client().fetch(
            self.provider["token"], method="POST", body=body
        )
        return json_decode(response.body)["access_token"]


class MainHandler(tornado.web.RequestHandler):
    def get_current_user(self):
        return self.get_secure_cookie("user")

    @tornado.web.authenticated
    def get(self):
        self.write("Hello, " + xhtml_escape(self.current_user))


def make_app(provider):
    return tornado.web.Application(
        [(r"/", MainHandler), (r"/login", LoginHandler)],
        provider=provider,
        login_url="/login",
        cookie_secret=os.environ.get("COOKIE_SECRET") or secrets.token_hex(32),
    )


if __name__ == "__main__":
    parse_command_line()
    names = ("authorize", "token", "profile", "key", "secret")
    make_app({name: options[name] for name in names}).listen(options.port, "127.0.0.1")
    tornado.ioloop.IOLoop.current().start()
