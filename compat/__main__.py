"""`python -m compat SCRIPT | -m MODULE | -c CODE`: run a program with the overlay on.

Knows only that importing the package `compat` made the native library importable.
"""

import sys

from tornado_trio.cli import launch

if __name__ == "__main__":
    launch(sys.argv[1:], usage="python -m compat")
