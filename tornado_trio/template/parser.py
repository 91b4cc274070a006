"""Tokens to nodes. Knows the template language; knows nothing of Python code or of loaders.

Directives are a table from the first word to a method of the parser; those with
a body recurse until their ``{% end %}``.
"""

from __future__ import annotations

from collections.abc import Callable

from tornado_trio.template.errors import ParseError
from tornado_trio.template.nodes import (
    Apply,
    Block,
    Body,
    Branch,
    Control,
    Expression,
    Extends,
    File,
    Include,
    Node,
    Statement,
    Text,
)
from tornado_trio.template.reader import Token, tokens
from tornado_trio.template.whitespace import check_mode, filter_whitespace

__all__ = ["parse"]

# clause -> the blocks that may hold it
_BRANCHES = {
    "else": frozenset({"for", "if", "try", "while"}),
    "elif": frozenset({"if"}),
    "except": frozenset({"try"}),
    "finally": frozenset({"try"}),
}

_LOOPS = frozenset({"for", "while"})


def parse(source: str, name: str, *, autoescape: str | None, whitespace: str) -> File:
    """Parse the template `source`, called `name`.

    Raises:
        ParseError: with the line of the tag that is wrong.
    """
    file = File(name, autoescape)
    file.body = _Parser(source, file, whitespace).body(None, None)
    return file


class _Parser:
    """One pass over one file."""

    def __init__(self, source: str, file: File, whitespace: str) -> None:
        self.file = file
        self.whitespace = check_mode(whitespace)
        self.tokens = tokens(source, file.name)

    def error(self, message: str, line: int) -> ParseError:
        return ParseError(message, self.file.name, line)

    def body(self, block: Token | None, loop: str | None) -> Body:
        """Parse up to the end of `block` (None: of the file).

        `loop` is the innermost loop that break and continue would act on.
        """
        nodes = Body()
        last = 1
        for token in self.tokens:
            last = token.line
            if token.kind == "text":
                self.text(nodes, token)
            elif token.kind == "expression":
                nodes.append(Expression(token.line, token.value))
            elif self.directive(nodes, token, block, loop):
                return nodes
        if block is None:
            return nodes
        operator, _ = _words(block.value)
        error = self.error(f"Missing {{% end %}} block for {operator}", last)
        error.add_note(f"the {operator} block starts at {self.file.name}:{block.line}")
        raise error

    def text(self, nodes: Body, token: Token) -> None:
        value = token.value
        # Preformatted text is kept, at the price of the mode not holding around it.
        if "<pre>" not in value:
            value = filter_whitespace(self.whitespace, value)
        if value:
            nodes.append(Text(token.line, value))

    def directive(self, nodes: Body, token: Token, block: Token | None, loop: str | None) -> bool:
        """Parse one ``{% ... %}`` into `nodes`. True when it ended the block."""
        operator, argument = _words(token.value)
        if operator == "end":
            if block is None:
                raise self.error("Extra {% end %} block", token.line)
            return True
        if operator in _BRANCHES:
            holder = _words(block.value)[0] if block is not None else None
            nodes.append(self.branch(operator, argument, token, holder))
        elif operator in ("break", "continue"):
            if loop is None:
                allowed = _set_text(_LOOPS)
                raise self.error(f"{operator} outside {allowed} block", token.line)
            nodes.append(Statement(token.line, token.value))
        elif (simple := _SIMPLE.get(operator)) is not None:
            node = simple(self, operator, argument, token)
            if node is not None:
                nodes.append(node)
        elif (nested := _NESTED.get(operator)) is not None:
            nodes.append(nested(self, operator, argument, token, loop))
        else:
            raise self.error(f"unknown operator: {operator!r}", token.line)
        return False

    def branch(self, operator: str, argument: str, token: Token, holder: str | None) -> Node:
        holders = _BRANCHES[operator]
        if holder is None:
            raise self.error(f"{operator} outside {_set_text(holders)} block", token.line)
        if holder not in holders:
            message = f"{operator} block cannot be attached to {holder} block"
            raise self.error(message, token.line)
        return Branch(token.line, f"{operator} {argument}".rstrip())

    # Directives without a body

    def comment(self, operator: str, argument: str, token: Token) -> Node | None:
        return None

    def extends(self, operator: str, argument: str, token: Token) -> Node | None:
        return Extends(token.line, self.path(operator, argument, token))

    def include(self, operator: str, argument: str, token: Token) -> Node | None:
        return Include(token.line, self.path(operator, argument, token), self.file.name)

    def path(self, operator: str, argument: str, token: Token) -> str:
        name = argument.strip('"').strip("'")
        if not name:
            raise self.error(f"{operator} missing file path", token.line)
        return name

    def imports(self, operator: str, argument: str, token: Token) -> Node | None:
        if not argument:
            raise self.error("import missing statement", token.line)
        return Statement(token.line, token.value)

    def set(self, operator: str, argument: str, token: Token) -> Node | None:
        if not argument:
            raise self.error("set missing statement", token.line)
        return Statement(token.line, argument)

    def awaits(self, operator: str, argument: str, token: Token) -> Node | None:
        if not argument:
            raise self.error("await missing expression", token.line)
        return Statement(token.line, token.value)

    def autoescape(self, operator: str, argument: str, token: Token) -> Node | None:
        self.file.autoescape = None if argument in ("", "None") else argument
        return None

    def whitespace_mode(self, operator: str, argument: str, token: Token) -> Node | None:
        self.whitespace = check_mode(argument)
        return None

    def raw(self, operator: str, argument: str, token: Token) -> Node | None:
        return Expression(token.line, argument, raw=True)

    def module(self, operator: str, argument: str, token: Token) -> Node | None:
        return Expression(token.line, "_tt_modules." + argument, raw=True)

    # Directives with a body

    def control(self, operator: str, argument: str, token: Token, loop: str | None) -> Node:
        inner = operator if operator in _LOOPS else loop
        return Control(token.line, f"{operator} {argument}", self.body(token, inner))

    def asynchronous(self, operator: str, argument: str, token: Token, loop: str | None) -> Node:
        if not argument.startswith("for"):
            raise self.error("async must be followed by for", token.line)
        # The clauses that may follow are those of the loop, so the block is opened as one.
        opened = Token(token.kind, argument, token.line)
        return Control(token.line, f"async {argument}", self.body(opened, "for"))

    def apply(self, operator: str, argument: str, token: Token, loop: str | None) -> Node:
        if not argument:
            raise self.error("apply missing method name", token.line)
        # The body becomes a function, so a loop outside it is out of reach.
        return Apply(token.line, argument, self.body(token, None))

    def block(self, operator: str, argument: str, token: Token, loop: str | None) -> Node:
        if not argument:
            raise self.error("block missing name", token.line)
        return Block(token.line, argument, self.body(token, loop), self.file)


def _words(content: str) -> tuple[str, str]:
    """The first word of a directive, which has one, and the rest."""
    words = content.split(None, 1)
    return words[0], words[1] if len(words) == 2 else ""


def _set_text(names: frozenset[str]) -> str:
    return "{" + ", ".join(repr(name) for name in sorted(names)) + "}"


_Simple = Callable[[_Parser, str, str, Token], Node | None]
_Nested = Callable[[_Parser, str, str, Token, str | None], Node]

_SIMPLE: dict[str, _Simple] = {
    "autoescape": _Parser.autoescape,
    "await": _Parser.awaits,
    "comment": _Parser.comment,
    "extends": _Parser.extends,
    "from": _Parser.imports,
    "import": _Parser.imports,
    "include": _Parser.include,
    "module": _Parser.module,
    "raw": _Parser.raw,
    "set": _Parser.set,
    "whitespace": _Parser.whitespace_mode,
}

_NESTED: dict[str, _Nested] = {
    "apply": _Parser.apply,
    "async": _Parser.asynchronous,
    "block": _Parser.block,
    "for": _Parser.control,
    "if": _Parser.control,
    "try": _Parser.control,
    "while": _Parser.control,
}
