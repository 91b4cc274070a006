"""Which rules of a table can match a path, in the table's order, at a cost that does not
grow with the table.

Knows rules by their matcher only. Rules whose pattern starts with literal text are found by
dictionary look-ups, one per distinct length of such text; all others (host rules, custom
matchers, patterns that begin with a wildcard) are always candidates. The caller still asks
each candidate's matcher, so a wrong guess here costs time and never correctness.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, SupportsIndex

from .matchers import PathMatches
from .path_templates import PathTemplate

if TYPE_CHECKING:
    from .rules import Rule

# Below this many rules asking each in turn is as fast (a literal miss costs 0.15 us, the
# look-ups 0.5 us).
SMALL_TABLE = 5


# Taken by whatever changes a list or its index, so that a rule that one thread adds while another
# looks for a route is not lost. One for all, because a lock in a list would keep it from being
# copied. Reentrant: `extend` and `sort` run what the program gave them.
_changing = threading.RLock()


class RuleList(list["Rule"]):
    """The public `rules` list of a router, with the index of its rules.

    Rules added at the end are added to the index. Any other change makes it anew, once, for the
    next request.
    """

    #: Of all rules; None after a change, until it is asked for.
    route_index: RouteIndex | None = None
    # Of as many rules as it counts, from the first on; None when others were changed.
    _begun: RouteIndex | None = None

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        super().__init__(rules)
        self._begun = RouteIndex()

    def __getstate__(self) -> None:
        return None  # a copy has an index of its own

    def complete(self) -> RouteIndex:
        """The index of all rules, made or completed now."""
        with _changing:
            if self._begun is None:
                self._begun = RouteIndex()
            self._begun.extend(self)
            self.route_index = self._begun
            return self._begun

    def complete_if_begun(self) -> None:
        """Add to the index what was appended, so that no request has to; leave an index that has
        to be made anew to the next request, for there may be more changes before it."""
        with _changing:
            if self._begun is not None:
                self.complete()

    def append(self, rule: Rule) -> None:
        with _changing:
            super().append(rule)
            self.route_index = None

    def extend(self, rules: Iterable[Rule]) -> None:
        with _changing:
            self.route_index = None  # first: what `rules` runs may raise when some are in
            super().extend(rules)

    def insert(self, index: SupportsIndex, rule: Rule) -> None:
        with _changing:
            super().insert(index, rule)
            self._forget()

    def remove(self, rule: Rule) -> None:
        with _changing:
            super().remove(rule)
            self._forget()

    def pop(self, index: SupportsIndex = -1) -> Rule:
        with _changing:
            rule = super().pop(index)
            self._forget()
            return rule

    def clear(self) -> None:
        with _changing:
            super().clear()
            self._forget()

    def sort(self, **kwargs: Any) -> None:
        with _changing:
            self._forget()  # first: a comparison that raises leaves some moved
            super().sort(**kwargs)

    def reverse(self) -> None:
        with _changing:
            super().reverse()
            self._forget()

    def __setitem__(self, index: Any, value: Any) -> None:
        with _changing:
            super().__setitem__(index, value)
            self._forget()

    def __delitem__(self, index: Any) -> None:
        with _changing:
            super().__delitem__(index)
            self._forget()

    def __iadd__(self, rules: Iterable[Rule]) -> RuleList:  # type: ignore[override,misc]
        self.extend(rules)
        return self

    def __imul__(self, count: SupportsIndex) -> RuleList:
        with _changing:
            super().__imul__(count)
            self._forget()
        return self

    def _forget(self) -> None:
        self.route_index = self._begun = None


_Entry = tuple[int, "Rule"]


class RouteIndex:
    """A view of the first rules of a table. It only grows; what finds routes meanwhile, in another
    thread, sees all that there was before."""

    __slots__ = ("_always", "_by_length", "_count", "_exact", "_merged", "_small")

    def __init__(self) -> None:
        self._count = 0
        self._small: list[Rule] | None = []
        self._exact: dict[str, list[_Entry]] = {}
        self._always: list[_Entry] = []
        # In the order of length, the shortest first.
        self._by_length: list[tuple[int, dict[str, list[_Entry]]]] = []
        # Candidates of literal routes, merged once. Bounded by the number of literal
        # routes: nothing is kept for paths that clients make up.
        self._merged: dict[str, list[Rule]] = {}

    def extend(self, rules: list[Rule]) -> None:
        """Take in those of `rules` that are new: `rules` begins with the ones that it has."""
        if len(rules) == self._count:
            return
        by_length = dict(self._by_length)
        for entry in enumerate(islice(rules, self._count, None), self._count):
            prefix, exact = _beginning(entry[1])
            if exact:
                self._exact.setdefault(prefix, []).append(entry)
            elif prefix:
                by_length.setdefault(len(prefix), {}).setdefault(prefix, []).append(entry)
            else:
                self._always.append(entry)
        self._by_length = sorted(by_length.items(), key=_position)
        self._count = len(rules)
        self._small = list(rules) if len(rules) < SMALL_TABLE else None
        # Last, and another: what was merged meanwhile, without the new rules, goes to the old one.
        self._merged = {}

    def candidates(self, path: str) -> list[Rule]:
        """The rules worth asking about `path`, in table order."""
        if self._small is not None:
            return self._small
        all_merged = self._merged
        merged = all_merged.get(path)
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
        if len(found) > 1:
            found.sort(key=_position)
        rules = [rule for _, rule in found]
        if exact:
            all_merged[path] = rules
        return rules


_BY_REGEX = (PathMatches.match, PathTemplate.match)


def _position(entry: tuple[int, object]) -> int:
    return entry[0]


def _beginning(rule: Rule) -> tuple[str, bool]:
    matcher = rule.matcher
    # A subclass may match by other means than its regex.
    if not isinstance(matcher, PathMatches) or type(matcher).match not in _BY_REGEX:
        return "", False
    return matcher._beginning
