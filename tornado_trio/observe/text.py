"""The tree and the requests as text for a terminal. Knows only the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["duration", "tree_text"]


def duration(seconds: float) -> str:
    """Short: "340 ms", "7.2 s", "3 min 5 s", "2 h 10 min"."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def tree_text(states: list[dict[str, Any]]) -> str:
    """The result of `Source.states` as text: each process with its requests and its tree."""
    return "\n".join(line for state in states for line in _process(state)) + "\n"


def _process(state: dict[str, Any]) -> Iterator[str]:
    number = state["number"]
    name = "process" if number is None else f"worker {number}"
    if state.get("silent"):
        yield f"{name} (pid {state['pid']}): no answer for {duration(state['silent'])}"
        yield ""
        return
    yield f"{name} (pid {state['pid']}): {state['state']}"
    for block in state.get("blocks", ()):
        of = f", {block['request']}" if block["request"] else ""
        yield f"  held the loop for {duration(block['seconds'])}: {block['where']}{of}"
    for error in state.get("errors", ()):
        what = error["cause"]
        if error["error"]:
            what += f": {error['error']}: {error['message']}, {error['place']}"
        yield f"  {error['status']} {error['method']} {error['path']} {error['id']}: {what}"
    for request in state["requests"]:
        yield (
            f"  {request['method']} {request['path']} {request['id']}, "
            f"{duration(request['seconds'])}: {request['where']}"
        )
    for row in state["tree"]:
        yield from _row(*row)
    yield ""


def _row(
    depth: int,
    id: str,
    name: str,
    age: float | None,
    deadline: float | None,
    where: str | list[str],
    unsent: int,
    more: int,
) -> Iterator[str]:
    told = [] if age is None else [duration(age)]
    if deadline is not None:
        told.append(f"deadline in {duration(deadline)}")
    if unsent:
        told.append(f"{unsent} bytes unsent")
    place = "  " * (depth + 1)
    also = f" ({', '.join(told)})" if told else ""
    if isinstance(where, list):
        yield f"{place}{name}{also}"
        yield from (f"{place}    {line}" for line in where)
    else:
        yield f"{place}{name}{also}  {where}"
    if more:
        yield f"{place}... and {more} more like it"
