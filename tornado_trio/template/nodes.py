"""What a parsed template is made of: plain data. Knows nothing of parsing or of code.

Every node knows the line of its tag. Nodes that hold others have a `body`. Fields are called as in
Tornado's parser, whose trees programs walk (`template.file.body.chunks`) to collect assets and
texts to translate.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "Apply",
    "Block",
    "Body",
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


class Body(list["Node"]):
    """The nodes inside another, in order."""

    __slots__ = ()

    @property
    def chunks(self) -> Body:
        """The nodes: Tornado's name for them."""
        return self

    def each_child(self) -> Body:
        return self


@dataclass(frozen=True, slots=True)
class Text:
    """Literal output, whitespace already as the template's mode wants it."""

    line: int
    value: str


@dataclass(frozen=True, slots=True)
class Expression:
    """``{{ expression }}``, or with `raw` what ``{% raw %}`` and ``{% module %}`` put out."""

    line: int
    expression: str
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """A line of Python: set, import, from, await, break, continue."""

    line: int
    statement: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A further clause of the control block around it: else, elif, except, finally."""

    line: int
    statement: str


@dataclass(frozen=True, slots=True)
class Control:
    """if, for, while, try, async for: `statement` is the clause without its colon."""

    line: int
    statement: str
    body: Body


@dataclass(frozen=True, slots=True)
class Apply:
    """The output of `body` given to the function that `method` names."""

    line: int
    method: str
    body: Body


@dataclass(frozen=True, slots=True)
class Block:
    """A named, replaceable part. `file` is where it was written: its escaping goes with it."""

    line: int
    name: str
    body: Body
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
    body: Body = field(default_factory=lambda: Body())
    line: int = 0


Node = Text | Expression | Statement | Branch | Control | Apply | Block | Include | Extends
