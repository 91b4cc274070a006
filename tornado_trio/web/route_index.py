"""Which rules of a table can match a path, in the table's order, at a cost that does not
grow with the table.

Knows rules by their matcher only. Rules whose pattern starts with literal text are found by
dictionary look-ups, one per distinct length of such text; all others (host rules, custom
matchers, patterns that begin with a wildcard) are always candidates. The caller still asks
each candidate's matcher, so a wrong guess here costs time and never correctness.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, SupportsIndex

from .matchers import PathMatches, literal_prefix
from .path_templates import PathTemplate

if TYPE_CHECKING:
    from .rules import Rule

# Below this many rules asking each in turn is as fast (a literal miss costs 0.15 us, the
# look-ups 0.5 us).
SMALL_TABLE = 5


class RuleList(list["Rule"]):
    """The public `rules` list of a router; remembers that it was changed."""

    changed = True

    def append(self, rule: Rule) -> None:
        self.changed = True
        super().append(rule)

    def insert(self, index: SupportsIndex, rule: Rule) -> None:
        self.changed = True
        super().insert(index, rule)

    def extend(self, rules: Iterable[Rule]) -> None:
        self.changed = True
        super().extend(rules)

    def remove(self, rule: Rule) -> None:
        self.changed = True
        super().remove(rule)

    def pop(self, index: SupportsIndex = -1) -> Rule:
        self.changed = True
        return super().pop(index)

    def clear(self) -> None:
        self.changed = True
        super().clear()

    def sort(self, **kwargs: Any) -> None:
        self.changed = True
        super().sort(**kwargs)

    def reverse(self) -> None:
        self.changed = True
        super().reverse()

    def __setitem__(self, index: Any, value: Any) -> None:
        self.changed = True
        super().__setitem__(index, value)

    def __delitem__(self, index: Any) -> None:
        self.changed = True
        super().__delitem__(index)

    def __iadd__(self, rules: Iterable[Rule]) -> RuleList:  # type: ignore[override,misc]
        self.extend(rules)
        return self


_Entry = tuple[int, "Rule"]


class RouteIndex:
    """An immutable view of one state of a rule table."""

    __slots__ = ("_always", "_by_length", "_exact", "_merged", "_small")

    def __init__(self, rules: list[Rule]) -> None:
        self._small: list[Rule] | None = list(rules) if len(rules) < SMALL_TABLE else None
        self._exact: dict[str, list[_Entry]] = {}
        self._always: list[_Entry] = []
        by_length: dict[int, dict[str, list[_Entry]]] = {}
        for entry in enumerate(rules):
            prefix, exact = _prefix_of(entry[1])
            if exact:
                self._exact.setdefault(prefix, []).append(entry)
            elif prefix:
                by_length.setdefault(len(prefix), {}).setdefault(prefix, []).append(entry)
            else:
                self._always.append(entry)
        self._by_length = sorted(by_length.items())
        # Candidates of literal routes, merged once. Bounded by the number of literal
        # routes: nothing is kept for paths that clients make up.
        self._merged: dict[str, list[Rule]] = {}

    def candidates(self, path: str) -> list[Rule]:
        """The rules worth asking about `path`, in table order."""
        if self._small is not None:
            return self._small
        merged = self._merged.get(path)
        if merged is not None:
            return merged
        exact = self._exact.get(path)
        found = list(exact) if exact else []
        size = len(path)
        for length, table in self._by_length:
            if length > size:
                break
            hit = table.get(path[:length])
            if hit:
                found += hit
        if self._always:
            found += self._always
        found.sort(key=_position)
        rules = [rule for _, rule in found]
        if exact:
            self._merged[path] = rules
        return rules


_BY_REGEX = (PathMatches.match, PathTemplate.match)


def _position(entry: _Entry) -> int:
    return entry[0]


def _prefix_of(rule: Rule) -> tuple[str, bool]:
    matcher = rule.matcher
    # A subclass may match by other means than its regex.
    if not isinstance(matcher, PathMatches) or type(matcher).match not in _BY_REGEX:
        return "", False
    return literal_prefix(matcher.regex)
