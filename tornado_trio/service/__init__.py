"""Running a service: one call, workers, reloading, an end that loses nothing.

Knows `serve`, processes and signals; what is served is the program's.
"""

from .errors import CannotStart
from .health import Health, Ready
from .lifetime import Service, current_service
from .running import run
from .settings import Settings

__all__ = ["CannotStart", "Health", "Ready", "Service", "Settings", "current_service", "run"]
