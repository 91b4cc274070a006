"""See what a service is doing: metrics, a live page with its task tree, a watchdog.

Off unless asked for: `run(app, inspect="127.0.0.1:9200")`, `--inspect`, TORNADO_TRIO_INSPECT.
"""

from .families import Family, render
from .inspector import Inspector
from .meter import Meter
from .pages import Guard, routes
from .prometheus import RegistryCollector
from .sources import LocalSource, Source
from .tree import task_tree
from .watchdog import Watchdog

__all__ = [
    "Family",
    "Guard",
    "Inspector",
    "LocalSource",
    "Meter",
    "RegistryCollector",
    "Source",
    "Watchdog",
    "render",
    "routes",
    "task_tree",
]
