"""What stands around the code of each docstring, so that it runs: a program with a place for it.

The line `# the block`, at its indentation, is where the block goes; programs may await at the top,
and run under trio. `BEFORE` is in front of each. They say what the block must have done.
"""

from __future__ import annotations

BEFORE = '''
from contextlib import asynccontextmanager
from typing import Annotated, AsyncIterator

import trio

from tornado_trio import web
from tornado_trio.client import Network
from tornado_trio.client.websocket import open_websocket
from tornado_trio.net import MemoryNetwork
from tornado_trio.testing import memory_server


async def ask(app, path="/", method="GET", head="", body=b""):
    """What the application answers."""
    lines = f"{method} {path} HTTP/1.1\\r\\nHost: a.test\\r\\n{head}"
    lines += f"Content-Length: {len(body)}\\r\\n\\r\\n" if body else "\\r\\n"
    async with memory_server(app) as server:
        return await server.request(lines.encode() + body)


@asynccontextmanager
async def talking(handler):
    """A websocket with the handler at its other end."""
    network = MemoryNetwork()
    app = web.Application([("/", handler)])
    async with memory_server(app, network=network, host="a.test"):
        async with open_websocket("ws://a.test/", network=Network(dial=network.connect)) as ws:
            yield ws
'''

ORDERS = """
import msgspec
from msgspec import Meta
from tornado_trio import api


class NewOrder(msgspec.Struct):
    item: str


class Order(msgspec.Struct):
    id: int


class Store:
    async def order(self, id):
        return Order(id)

    async def orders(self):
        return [Order(1), Order(2)]


async def open_store() -> Store:
    return Store()
"""

WSGI_APP = """
def django_app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


class Ours(web.RequestHandler):
    pass
"""

ASGI_APP = """
async def django_app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["root_path"].encode()})


class Ours(web.RequestHandler):
    pass
"""

# By file, and the name of the class or function.
AROUND: dict[str, str] = {
    "tornado_trio/_util/late.py": """
from typing import TYPE_CHECKING
from tornado_trio._util.late import later
from types import ModuleType
# the block
assert trio.sleep and type(trio) is ModuleType
""",
    "tornado_trio/__init__.py": """
# the block
assert callable(run) and callable(serve) and web.Application
""",
    "tornado_trio/testing/__init__.py": """
class Hello(web.RequestHandler):
    def get(self):
        self.write("Hello")

app = web.Application([("/hello", Hello)])
# the block
await test_hello(None)
""",
    "tornado_trio/testing/server.py:client": """
class Orders(web.RequestHandler):
    def post(self):
        self.write(self.request.body)

async with memory_server(web.Application([("/orders", Orders)])) as server:
    # the block
    assert response.json() == {"item": "tea"}
""",
    "tornado_trio/api/application.py:websocket": """
from tornado_trio import api
app = api.Application()
# the block
async with memory_server(app) as server, server.client() as client:
    async with open_websocket("/rooms/den", client=client) as ws:
        await ws.send('"hi"')
        assert await ws.receive() == '"den: hi"'
""",
    "tornado_trio/api/__init__.py": f"""{ORDERS}
# the block
answer = await ask(app, "/orders/7")
assert answer.body == b'{{"id":7}}'
assert set(app.openapi()["paths"]) == {{"/orders", "/orders/{{id}}"}}
""",
    "tornado_trio/api/dependencies.py": f"""{ORDERS}
from tornado_trio.api import Depends

did = []

class Connection:
    @asynccontextmanager
    async def transaction(self):
        did.append("begin")
        yield
        did.append("commit")

class Pool:
    @asynccontextmanager
    async def acquire(self):
        yield Connection()

def pool() -> Pool:
    return Pool()

class Orders(api.Handler):
    # the block

app = api.Application([("/", Orders)])
head = "Content-Type: application/json\\r\\n"
answer = await ask(app, method="POST", head=head, body=b'{{"item": "tea"}}')
assert answer.status == 204, answer
assert did == ["begin", "commit"]
""",
    "tornado_trio/api/handlers.py:Handler": f"""{ORDERS}
State = Store
# the block
answer = await ask(api.Application([("/", Orders)], state=Store()))
assert answer.body == b'[{{"id":1}},{{"id":2}}]', answer
""",
    "tornado_trio/api/responses.py:raises": f"""{ORDERS}
class Orders(api.Handler):
    # the block

app = api.Application([("/{{id:int}}", Orders)])
assert "404" in app.openapi()["paths"]["/{{id}}"]["get"]["responses"]
""",
    "tornado_trio/api/security.py": f"""{ORDERS}
Profile = NewOrder
class Me(api.Handler):
    # the block

app = api.Application([("/", Me)])
answer = await ask(app)
assert answer.status == 401 and "Bearer" in answer.headers["WWW-Authenticate"]
""",
    "tornado_trio/api/sockets.py:Socket": f"""{ORDERS}
class Subscribe(msgspec.Struct):
    symbol: str

class Price(msgspec.Struct):
    cents: int

async def price_of(symbol):
    return Price(len(symbol))

# the block
async with talking(Prices) as ws:
    await ws.send('{{"symbol": "TRIO"}}')
    assert await ws.receive() == '{{"cents":4}}'
""",
    "tornado_trio/asgi/__init__.py": f"""{ASGI_APP}
from tornado_trio.asgi import AsgiApp, mount
app = web.Application([])
# the block
assert (await ask(app, "/shop/x")).body == b"/shop"
assert callable(asgi_app)
""",
    "tornado_trio/asgi/mounting.py": f"""{ASGI_APP}
from tornado_trio.asgi import mount
# the block
assert (await ask(app, "/shop/x")).body == b"/shop"
assert (await ask(app, "/else")).status == 405
""",
    "tornado_trio/autoreload.py": """
from tornado_trio import autoreload
with trio.move_on_after(0.1) as scope:
    # the block
assert scope.cancelled_caught
""",
    "tornado_trio/jobs.py": """
from functools import partial
from tornado_trio import serve as really
from tornado_trio.jobs import every, supervise

did = []

async def consume():
    did.append("consume")
    await trio.sleep_forever()

async def clean_up():
    did.append("clean up")

async def serve(app, port):
    await really(app, 0, host="127.0.0.1")

app = web.Application([])
with trio.move_on_after(0.5) as scope:
    # the block
assert scope.cancelled_caught
assert "consume" in did
""",
    "tornado_trio/locale/__init__.py": """
from pathlib import Path
from tornado_trio import locale
Path("translations").mkdir()
Path("translations/es_LA.csv").write_text('"Sign out","Salir"\\n')
# the block
assert user_locale.translate("Sign out") == "Salir"
""",
    "tornado_trio/oauth/oauth2.py": """
from tornado_trio.oauth.oauth2 import Provider, parse_token
status, body = 200, b'{"access_token": "x"}'

class Arguments(dict):
    "The state is known once the sign-in has begun."
    def get(self, name, default=None):
        return {"code": "1", "state": sign_in.state}.get(name, default)
    def __getitem__(self, name):
        return self.get(name)

arguments = Arguments()
# the block
assert sign_in.url.startswith("https://id.example/authorize?")
assert token["access_token"] == "x"
""",
    "tornado_trio/options.py": """
import sys
sys.argv = ["app.py", "--port=9999"]
# the block
assert options.port == 9999
""",
    "tornado_trio/rooms/rooms.py:Rooms": """
from tornado_trio.rooms import Rooms as Really
Rooms = lambda url: Really()  # without a broker: within this process
# the block
""",
    "tornado_trio/rooms/rooms.py:join": """
from tornado_trio.rooms import Rooms
user = "ann"
async with Rooms() as rooms:
    class Room(web.WebSocketHandler):
        async def open(self, ws):
            # the block

    async with talking(Room) as ws:
        await ws.send("hello")
        assert await ws.receive() == "hello"
""",
    "tornado_trio/service/health.py": """
from tornado_trio.service.health import Health, Ready

class pool:
    @staticmethod
    async def ping():
        pass

# the block
app = web.Application(rules)
assert (await ask(app, "/health")).status == 200
assert b"database" in (await ask(app, "/ready")).body
""",
    "tornado_trio/template/__init__.py": """
from pathlib import Path
from tornado_trio.template import Loader
Path("templates").mkdir()
Path("templates/page.html").write_text("<b>{{ title }}</b>")
# the block
assert page == b"<b>Hello</b>"
""",
    "tornado_trio/template/codegen.py": """
from tornado_trio.template import Template
import pathlib
name = "you"
# the block
assert _tt_execute(str.encode, None, None) == b"Hello you"
# and it is what is generated
code = Template("Hello {{ name }}", name="page.html").code
assert code.rstrip() == BLOCK.rstrip()
""",
    "tornado_trio/web/__init__.py": """
# the block
assert (await ask(app)).body == b"Hello, world"
""",
    "tornado_trio/web/answers.py:events": """
class feed:
    @staticmethod
    async def after(number):
        yield 1, "rain"

class News(web.RequestHandler):
    async def get(self):
        # the block

answer = await ask(web.Application([("/", News)]))
assert b"data: rain" in answer.body and b"id: 1" in answer.body, answer
""",
    "tornado_trio/web/answers.py:early_hints": """
class Page(web.RequestHandler):
    async def get(self):
        # the block
        self.write("page")

answer = await ask(web.Application([("/", Page)]))
assert answer.informational[0].start_line.code == 103
""",
    "tornado_trio/web/application.py:Application": """
from tornado_trio.web import Application

class Overloaded(Exception): pass

def say_when_to_try_again(handler, error):
    handler.set_status(503)
    handler.set_header("Retry-After", "5")
    handler.finish("later")

class Page(web.RequestHandler):
    def get(self, name):
        raise {"a": LookupError, "b": Overloaded}[name]

rules = [("/(.)", Page)]
app = (
    # the block
)
assert (await ask(app, "/a")).status == 404
assert (await ask(app, "/b")).headers["Retry-After"] == "5"
""",
    "tornado_trio/web/calls.py": """
from tornado_trio.web import Application
from tornado_trio.web.calls import Call, Next, Response

class Page(web.RequestHandler):
    def get(self):
        self.write("page")

rules = [("/", Page)]
# the block
app = Application(rules, middleware=[timed])
assert (await ask(app)).headers["Server-Timing"].startswith("app;dur=")
""",
    "tornado_trio/web/credentials.py": """
User = str

class Users:
    async def of(self, token):
        return token

class Me(web.RequestHandler):
    users = Users()
    # the block

    async def get(self):
        self.write(self.current_user)

answer = await ask(web.Application([("/", Me)]), head="Authorization: Bearer ann\\r\\n")
assert answer.body == b"ann", answer
""",
    "tornado_trio/web/decorators.py:requires": """
from types import SimpleNamespace
from tornado_trio.web import requires

class Orders(web.RequestHandler):
    def get_current_user(self):
        return SimpleNamespace(scopes={self.get_query_argument("scope")})

    # the block

app = web.Application([("/", Orders)])
assert (await ask(app, "/?scope=orders:write", "POST", body=b"-")).status == 200
assert (await ask(app, "/?scope=orders:read", "POST", body=b"-")).status == 403
""",
    "tornado_trio/web/forms.py": """
from tornado_trio.web import RequestHandler, stream_request_body
from tornado_trio.web.forms import form_parts

stored = []

async def store(chunk):
    stored.append(chunk)

# the block
boundary = "Content-Type: multipart/form-data; boundary=B\\r\\n"
body = (
    b'--B\\r\\nContent-Disposition: form-data; name="t"\\r\\n\\r\\ntea\\r\\n'
    b'--B\\r\\nContent-Disposition: form-data; name="f"; filename="f"\\r\\n\\r\\nfile'
    b'\\r\\n--B--\\r\\n'
)
answer = await ask(web.Application([("/", Upload)]), "/", "POST", boundary, body)
assert answer.status == 200 and b"".join(stored) == b"file", answer
""",
    "tornado_trio/web/middleware/__init__.py": """
from tornado_trio.web import Application

class Page(web.RequestHandler):
    def get(self):
        self.write("page")

rules = [("/", Page)]
# the block
app = Application(rules, middleware=[SecurityHeaders(), shop, Compression()])
answer = await ask(app, head="Origin: https://shop.example\\r\\n")
assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
""",
    "tornado_trio/web/static.py:StaticFileHandler": """
from pathlib import Path
from tornado_trio.web import StaticFileHandler
rule = (
    # the block
)
path = rule[2]["path"] = str(Path.cwd())
Path("page.txt").write_text("page")
assert (await ask(web.Application([rule]), "/content/page.txt")).body == b"page"
""",
    "tornado_trio/web/websocket.py:WebSocketHandler": """
from tornado_trio.web import WebSocketHandler
# the block
async with talking(Echo) as ws:
    await ws.send("hello")
    assert await ws.receive() == "hello"
""",
    "tornado_trio/websocket/session.py:WebSocket": """
class Echo(web.WebSocketHandler):
    async def open(self, ws):
        # the block

async with talking(Echo) as ws:
    await ws.send(b"hello")
    assert await ws.receive() == b"hello"
""",
    "tornado_trio/wsgi.py": f"""{WSGI_APP}
from tornado_trio import wsgi
# the block
assert (await ask(app, "/admin/x")).body.endswith(b"/x")
""",
    "compat/__init__.py": """
# the block
assert tornado.version == "6.6.1" and gen.coroutine is coroutine
""",
    "compat/tornado/curl_httpclient.py": """
import compat
from tornado.httpclient import AsyncHTTPClient
try:
    # the block
    assert AsyncHTTPClient.configured_class().__name__ == "CurlAsyncHTTPClient"
except ImportError as error:  # without the extra `curl`, the message says what to install
    assert "tornado-trio[curl]" in str(error)
""",
    "compat/tornado/httpclient.py": """
import compat
from tornado import web
from tornado.httpclient import AsyncHTTPClient as Really
from tornado.ioloop import IOLoop

class Hello(web.RequestHandler):
    def get(self):
        self.write("hello")

class AsyncHTTPClient:
    "Takes the address that is shown to the server of this program."
    def fetch(self, url):
        return Really().fetch(url.replace("www.example.com", f"127.0.0.1:{port}"))

async def main():
    global port
    from tornado.testing import bind_unused_port
    sock, port = bind_unused_port()
    from tornado.httpserver import HTTPServer
    HTTPServer(web.Application([("/", Hello)])).add_sockets([sock])
    # the block
    assert response.body == b"hello"

await trio.to_thread.run_sync(lambda: IOLoop(make_current=True).run_sync(main))
""",
    "compat/tornado/httpclient.py:configure": """
import compat
from tornado.httpclient import AsyncHTTPClient
try:
    # the block
except ImportError as error:
    assert "tornado-trio[curl]" in str(error)
""",
    "compat/tornado/testing.py:gen_test": """
import compat, unittest
from tornado.testing import AsyncTestCase, gen_test

class Test(AsyncTestCase):
    # the block

result = await trio.to_thread.run_sync(
    lambda: unittest.TestLoader().loadTestsFromTestCase(Test).run(unittest.TestResult())
)
assert result.testsRun == 2, result
""",
    "compat/tornado/testing.py:ExpectLog": """
import compat, unittest
from tornado import web
from tornado.testing import AsyncHTTPTestCase, ExpectLog

class Broken(web.RequestHandler):
    def get(self):
        raise KeyError

class Test(AsyncHTTPTestCase):
    def get_app(self):
        return web.Application([("/broken", Broken)])

    def test_broken(self):
        # the block
        assert response.code == 500

result = await trio.to_thread.run_sync(
    lambda: unittest.TestLoader().loadTestsFromTestCase(Test).run(unittest.TestResult())
)
assert result.testsRun == 1 and result.wasSuccessful(), result.errors
""",
}
