"""What a parsed template is made of: plain data. Knows nothing of parsing or of code.

Every node knows the line of its tag. Nodes that hold others have a `body`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "Apply",
    "Block",
    "Branch",
    "Control",
    "Expression",
    "Extends",
    "File",
    "Include",
    "Node",
    "Statement",
    "Text",
]


@dataclass(frozen=True, slots=True)
class Text:
    """Literal output, whitespace already as the template's mode wants it."""

    line: int
    value: str


@dataclass(frozen=True, slots=True)
class Expression:
    """``{{ code }}``, or with `raw` what ``{% raw %}`` and ``{% module %}`` put out unescaped."""

    line: int
    code: str
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """A line of Python: set, import, from, await, break, continue."""

    line: int
    code: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A further clause of the control block around it: else, elif, except, finally."""

    line: int
    code: str


@dataclass(frozen=True, slots=True)
class Control:
    """if, for, while, try, async for: `code` is the clause without its colon."""

    line: int
    code: str
    body: list[Node]


@dataclass(frozen=True, slots=True)
class Apply:
    """The output of `body` given to the function that `function` names."""

    line: int
    function: str
    body: list[Node]


@dataclass(frozen=True, slots=True)
class Block:
    """A named, replaceable part. `file` is where it was written: its escaping goes with it."""

    line: int
    name: str
    body: list[Node]
    file: File = field(repr=False)


@dataclass(frozen=True, slots=True)
class Include:
    """Another template in this place; `parent` is the file that a relative `name` starts from."""

    line: int
    name: str
    parent: str


@dataclass(frozen=True, slots=True)
class Extends:
    """The template whose blocks this file replaces."""

    line: int
    name: str


@dataclass(slots=True)
class File:
    """One parsed template. `autoescape` names the escaping function, None for no escaping;
    the last ``{% autoescape %}`` in the file holds for the whole of it."""

    name: str
    autoescape: str | None
    body: list[Node] = field(default_factory=list)
    line: int = 0


Node = Text | Expression | Statement | Branch | Control | Apply | Block | Include | Extends
