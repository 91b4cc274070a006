"""`python -m tornado_trio`: the command `tornado-trio`."""

import sys

from tornado_trio.cli import main

if __name__ == "__main__":
    sys.exit(main())
