"""Tornado's web framework and networking library, rebuilt on structured concurrency."""

__version__ = "0.1.0"
