"""`tornado-trio openapi`: print the document of an application without running it."""

from __future__ import annotations

import inspect
import json
import sys

from .errors import CannotStart
from .loading import LoadError, load
from .running import complain

__all__ = ["openapi_command"]


def openapi_command(target: str) -> int:
    """Print the OpenAPI document of the application that `target` names (or that its function
    returns)."""
    try:
        name, found = load(target)
        if inspect.isroutine(found):  # one that makes it
            found = found()
        if not hasattr(found, "openapi"):
            raise CannotStart(f"{name} is a {type(found).__name__}, and no api.Application", 2)
    except LoadError as error:
        print(error.trace, file=sys.stderr, end="")
        complain(error, "tornado-trio openapi")
    except CannotStart as error:
        complain(error, "tornado-trio openapi")
    json.dump(found.openapi(), sys.stdout, indent=2)
    print()
    return 0
