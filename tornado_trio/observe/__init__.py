"""See what a service is doing: metrics, a live page with its task tree, a watchdog.

Off unless asked for: `run(app, inspect="127.0.0.1:9200")`, `--inspect`, TORNADO_TRIO_INSPECT.

The parts are imported when first used: the task tree knows asyncio's tasks, and so imports it.
"""

from typing import TYPE_CHECKING

from .._util.late import names_later

if TYPE_CHECKING:
    from .families import Family as Family
    from .families import render as render
    from .inspector import Inspector as Inspector
    from .meter import Meter as Meter
    from .pages import Guard as Guard
    from .pages import routes as routes
    from .prometheus import RegistryCollector as RegistryCollector
    from .sources import LocalSource as LocalSource
    from .sources import Source as Source
    from .tree import task_tree as task_tree
    from .watchdog import Watchdog as Watchdog

_HOMES = {
    "Family": "families",
    "Guard": "pages",
    "Inspector": "inspector",
    "LocalSource": "sources",
    "Meter": "meter",
    "RegistryCollector": "prometheus",
    "Source": "sources",
    "Watchdog": "watchdog",
    "render": "families",
    "routes": "pages",
    "task_tree": "tree",
}

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

__getattr__, __dir__ = names_later(globals(), _HOMES)
