"""Running a service: one call, workers, reloading, a graceful end.

Knows `serve`, processes and signals, not what is served.
"""

from .errors import CannotStart
from .health import Health, Ready
from .lifetime import Service, current_service
from .running import run
from .settings import Settings

__all__ = ["CannotStart", "Health", "Ready", "Service", "Settings", "current_service", "run"]
