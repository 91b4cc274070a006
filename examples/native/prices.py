"""Many questions at once, with a deadline: a request is a scope, and so is everything in it.

    python examples/native/prices.py
    curl http://127.0.0.1:8888/prices
    curl -X POST http://127.0.0.1:8888/orders -d shop=near

- `/prices` asks all shops at once, and answers after half a second with what it knows by
  then. If the client goes away, all the questions are cancelled, and their connections closed.
- `/orders` must not be cut short between taking the money and writing it down: a protected
  block, with a bound, whatever the client does.
- `timeout` bounds a request as a whole: 503 after that.
"""


import trio

from tornado_trio import run, web
from tornado_trio.client import Client, ClientError, open_client
from tornado_trio.server import serve


class Prices(web.RequestHandler):
    @web.timeout(5)
    async def get(self) -> None:
        client: Client = self.settings["client"]
        prices: dict[str, int | None] = dict.fromkeys(self.settings["shops"])

        async def ask(shop: str, url: str) -> None:
            try:
                response = await client.get(url)
                prices[shop] = response.raise_for_status().json()["price"]
            except ClientError:
                pass  # one shop that is closed does not spoil the answer: its price stays None

        with trio.move_on_after(self.settings["patience"]):
            async with trio.open_nursery() as nursery:
                for shop, url in self.settings["shops"].items():
                    nursery.start_soon(ask, shop, url)
        self.write({"prices": prices})


class Orders(web.RequestHandler):
    """`self.settings["orders"]` stands for a database."""

    @web.on_disconnect(web.grace(2))
    async def post(self) -> None:
        shop = self.get_body_argument("shop")
        if shop not in self.settings["shops"]:
            raise web.HTTPError(404, reason="No such shop")
        async with web.critical(timeout=5):
            await trio.sleep(0.1)  # the money is taken
            self.settings["orders"].append(shop)  # and it is written down
        self.set_status(201)


class Shop(web.RequestHandler):
    """A shop to ask; one of them is slow."""

    async def get(self, name: str) -> None:
        await trio.sleep(10 if name == "slow" else 0.05)
        self.write({"price": len(name)})


def make_app(client: Client, site: str, patience: float = 0.5) -> web.Application:
    """`site` is where the shops are: here, this very service."""
    return web.Application(
        [(r"/prices", Prices), (r"/orders", Orders), (r"/shops/(\w+)", Shop)],
        client=client,
        shops={name: f"{site}/shops/{name}" for name in ("near", "far", "slow")},
        patience=patience,
        orders=[],
    )


async def main(port: int = 8888) -> None:
    # What a service uses is opened around serving: it is closed when the last request is done.
    async with open_client() as client:
        app = make_app(client, f"http://127.0.0.1:{port}")
        await serve(app, port, host="127.0.0.1", grace=5)


if __name__ == "__main__":
    run(main)
