"""Users who log in: signed cookies, `@authenticated`, XSRF tokens, templates, error pages.

    python -m compat examples/login/login.py --port=8888

Passwords are kept as scrypt hashes, computed in a thread. Users are kept in memory: sign up
first. `set_secure_cookie` signs the name of the user; a cookie that was changed is not accepted.
"""

import hashlib
import hmac
import os
import secrets

import tornado.ioloop
import tornado.web
from tornado.options import define, options, parse_command_line

define("port", default=8888, help="port to listen on", type=int)
define("address", default="127.0.0.1", help="address to listen on")
define("secret", default="", help="signs cookies; without it all users are forgotten at the end")


def hash_password(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


class Users:
    def __init__(self):
        self.hashes = {}
        self.notes = {}

    async def sign_up(self, name, password):
        """False if the name is taken."""
        if name in self.hashes:
            return False
        self.hashes[name] = None  # taken from now on, while the hash is being computed
        salt = secrets.token_bytes(16)
        self.hashes[name] = (salt, await self._hash(password, salt))
        self.notes[name] = []
        return True

    async def check(self, name, password):
        # An unknown name takes as long as a known one: the time tells nothing.
        salt, known = self.hashes.get(name) or (b"", b"")
        return hmac.compare_digest(await self._hash(password, salt), known)

    async def _hash(self, password, salt):
        loop = tornado.ioloop.IOLoop.current()
        return await loop.run_in_executor(None, hash_password, password, salt)


class BaseHandler(tornado.web.RequestHandler):
    @property
    def users(self):
        return self.settings["users"]

    def get_current_user(self):
        name = self.get_secure_cookie("user", max_age_days=7)
        name = name.decode() if name else None
        return name if name in self.users.notes else None

    def log_in(self, name):
        secure = self.request.protocol == "https"
        self.set_secure_cookie(
            "user", name, expires_days=7, httponly=True, samesite="Lax", secure=secure
        )
        self.redirect(self.local(self.get_argument("next", "/")))

    def local(self, target):
        """Only addresses of this site: a forged link must not lead elsewhere."""
        safe = target.startswith("/") and not target.startswith(("//", "/\\"))
        return target if safe else "/"

    def write_error(self, status_code, **kwargs):
        self.render("error.html", status=status_code, reason=self._reason)


class NotesHandler(BaseHandler):
    """For those who are logged in; others are sent to `login_url`, and come back after it."""

    @tornado.web.authenticated
    def get(self):
        self.render("notes.html", notes=self.users.notes[self.current_user])

    @tornado.web.authenticated
    def post(self):
        self.users.notes[self.current_user].append(self.get_body_argument("note")[:500])
        self.redirect("/")


class LoginHandler(BaseHandler):
    def get(self):
        self.render("login.html", problem=None, next=self.get_argument("next", "/"))

    async def post(self):
        name = self.get_body_argument("name")
        password = self.get_body_argument("password", strip=False)
        if self.get_body_argument("new", None):
            ok = bool(name and password) and await self.users.sign_up(name, password)
            problem = "This name is taken."
        else:
            ok = await self.users.check(name, password)
            problem = "Name or password is wrong."
        if ok:
            self.log_in(name)
        else:
            self.set_status(403)
            self.render("login.html", problem=problem, next=self.get_argument("next", "/"))


class LogoutHandler(BaseHandler):
    def post(self):
        self.clear_cookie("user")
        self.redirect("/")


class Note(tornado.web.UIModule):
    """A part of pages with its own markup and its own style."""

    def render(self, text):
        return self.render_string("note.html", text=text)

    def embedded_css(self):
        return ".note { background: #ffc; padding: 0.5em; margin: 0.5em 0; }"

    def css_files(self):
        return "login.css"


def shout(handler, text):
    """A UI method: a function that templates may call."""
    return text.upper()


def make_app(users=None, secret="", **settings):
    here = os.path.dirname(os.path.abspath(__file__))
    return tornado.web.Application(
        [
            (r"/", NotesHandler),
            (r"/login", LoginHandler),
            (r"/logout", LogoutHandler),
            (r"/home", tornado.web.RedirectHandler, {"url": "/"}),
        ],
        users=users or Users(),
        cookie_secret=secret or secrets.token_hex(32),
        xsrf_cookies=True,
        login_url="/login",
        template_path=os.path.join(here, "templates"),
        static_path=os.path.join(here, "static"),
        ui_modules={"Note": Note},
        ui_methods={"shout": shout},
        **settings,
    )


if __name__ == "__main__":
    parse_command_line()
    make_app(secret=options.secret).listen(options.port, options.address)
    tornado.ioloop.IOLoop.current().start()
