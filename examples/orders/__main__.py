"""`python -m examples.orders` (examples/orders/__main__.py): see examples/orders/__init__.py."""

import sys

from tornado_trio.cli import main

from .app import Config

if __name__ == "__main__":
    # asyncpg needs asyncio's loop; SQLite, in threads, does not.
    hosted = ["--asyncio"] if Config.from_environment().on_postgres else []
    sys.exit(main(["serve", "examples.orders.app:main", *hosted, *sys.argv[1:]]))
