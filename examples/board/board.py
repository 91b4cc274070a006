"""A message board over a database, with a form, a list, and a small JSON interface.

    python -m compat examples/board/board.py                       # SQLite, in board.db
    python -m compat examples/board/board.py --mysql=127.0.0.1     # MySQL or MariaDB

For MySQL `aiomysql` is needed: an asyncio library, in a program whose loop is asyncio's, with
trio as its guest. SQLite's own module blocks, so it works in a thread. Both stores make the
table when they are opened, and hand values to the database apart from the SQL.
"""

import asyncio
import os.path
import uuid

import tornado.web
from store import MysqlStore, SqliteStore
from tornado.options import define, options, parse_command_line

define("port", default=8888, help="port to listen on", type=int)
define("address", default="127.0.0.1", help="address to listen on")
define("file", default="board.db", help="SQLite's file")
define("mysql", default="", help="host of a MySQL server, to use that instead")
define("mysql_port", default=3306, help="its port", type=int)
define("mysql_user", default="root", help="the user there")
define("mysql_password", default="", help="the user's password")
define("mysql_database", default="test", help="the database there")

FIELDS = {"name": 50, "email": 100, "address": 200, "message": 2000}


class BaseHandler(tornado.web.RequestHandler):
    @property
    def store(self):
        return self.settings["store"]

    def fields(self):
        """The form's fields, cut to what the table holds. 400 for a message that says nothing."""
        values = {
            name: self.get_body_argument(name, "")[:length] for name, length in FIELDS.items()
        }
        if not values["message"]:
            raise tornado.web.HTTPError(400, reason="Empty message")
        values["name"] = values["name"] or "Guest"
        return values

    async def message(self, number):
        found = await self.store.one(int(number))
        if found is None:
            raise tornado.web.HTTPError(404)
        return found


class IndexHandler(BaseHandler):
    async def get(self):
        self.render("board.html", messages=await self.store.all(), draft=dict.fromkeys(FIELDS, ""))

    async def post(self):
        await self.store.add(self.fields())
        self.redirect(self.reverse_url("index"))


class MessageHandler(BaseHandler):
    """One message: to be changed, or taken away."""

    async def get(self, number):
        self.render("board.html", messages=[], draft=await self.message(number))

    async def post(self, number):
        await self.message(number)
        if self.get_body_argument("delete", None):
            await self.store.delete(int(number))
        else:
            await self.store.change(int(number), self.fields())
        self.redirect(self.reverse_url("index"))


class ApiHandler(BaseHandler):
    async def get(self):
        self.write({"messages": await self.store.all()})


class MessageItem(tornado.web.UIModule):
    def render(self, message):
        return self.render_string("message.html", message=message)


def make_app(store, **settings):
    here = os.path.dirname(os.path.abspath(__file__))
    url = tornado.web.url
    return tornado.web.Application(
        [
            url(r"/", IndexHandler, name="index"),
            url(r"/messages/([0-9]{1,9})", MessageHandler, name="message"),
            url(r"/api/messages", ApiHandler),
        ],
        store=store,
        template_path=os.path.join(here, "templates"),
        static_path=os.path.join(here, "static"),
        ui_modules={"MessageItem": MessageItem},
        cookie_secret=uuid.uuid4().hex,
        xsrf_cookies=True,
        **settings,
    )


def open_store():
    if not options.mysql:
        return SqliteStore(options.file)
    return MysqlStore(
        host=options.mysql,
        port=options.mysql_port,
        user=options.mysql_user,
        password=options.mysql_password,
        db=options.mysql_database,
    )


async def main():
    parse_command_line()
    async with open_store() as store:
        make_app(store).listen(options.port, options.address)
        print(f"The board is at http://{options.address}:{options.port}/", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass  # Ctrl-C is how it ends
