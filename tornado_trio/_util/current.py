"""The current request, for modules that must not know requests (`log`)."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

__all__ = ["current_request"]

#: `exchange.current_exchange` is this one.
current_request: ContextVar[Any] = ContextVar("current_exchange")
