"""Rules and the routers made of them. Knows matchers; does not know handlers.

A router maps a request to whatever answers it. Natively that is a *responder*: an object
with `async def respond(exchange)`. What a rule's target may be is decided in one place,
`RuleRouter.get_target_delegate`, which subclasses extend.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Union

from .._util.mistakes import awaitable, name_of
from ..exchange import Lifespan, lifespans_of
from ..log import app_log
from .matchers import Matcher, PathMatches
from .path_templates import path_matcher
from .route_index import RuleList

if TYPE_CHECKING:
    from ..exchange import Exchange
    from .calls import Middleware
    from .request import Request

__all__ = [
    "CallableResponder",
    "ReversibleRouter",
    "ReversibleRuleRouter",
    "Router",
    "Rule",
    "RuleRouter",
    "URLSpec",
]


RuleLike = Union["Rule", Sequence[Any]]


class Rule:
    """A request that `matcher` matches is answered by `target`, which gets `target_kwargs`.

    `name` serves `reverse_url`; `middleware` runs around the target (see `calls`).
    """

    def __init__(
        self,
        matcher: Matcher,
        target: Any,
        target_kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        *,
        middleware: Sequence[Middleware] = (),
    ) -> None:
        if isinstance(target, str):
            from pkgutil import resolve_name

            target = resolve_name(target)
        self.matcher = matcher
        self.target = target
        self.target_kwargs = target_kwargs if target_kwargs else {}
        self.name = name
        self.middleware = middleware

    def reverse(self, *args: Any) -> str | None:
        """The URL path that this rule matches with `args`; None if its matcher cannot be
        reversed."""
        return self.matcher.reverse(*args)

    @property
    def pattern(self) -> str | None:
        """The path pattern that it matches, as text, for logs; None if it does not match paths."""
        return getattr(self.matcher, "pattern", None)

    @property
    def handler(self) -> str | None:
        """The full name of the target, if it is a class."""
        target = self.target
        return f"{target.__module__}.{target.__qualname__}" if isinstance(target, type) else None

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.matcher!r}, {self.target}, "
            f"kwargs={self.target_kwargs!r}, name={self.name!r})"
        )


class URLSpec(Rule):
    """A rule for a path pattern: `(pattern, handler, kwargs, name)`.

    `handler` may be a fully qualified name, which is imported.
    """

    def __init__(
        self,
        pattern: str | Any,
        handler: Any,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        *,
        middleware: Sequence[Middleware] = (),
    ) -> None:
        matcher = path_matcher(pattern) if isinstance(pattern, str) else PathMatches(pattern)
        super().__init__(matcher, handler, kwargs, name, middleware=middleware)
        self.regex = matcher.regex
        self.handler_class = self.target
        self.kwargs = kwargs

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.regex.pattern!r}, {self.handler_class}, "
            f"kwargs={self.kwargs!r}, name={self.name!r})"
        )


class Router:
    """Finds what answers a request."""

    def find_handler(self, request: Request, **kwargs: Any) -> Any:
        """The responder for `request`, or None if this router has no route for it."""
        raise NotImplementedError()

    def lifespans(self) -> list[Lifespan]:
        """Those of its target: see `exchange.lifespans`."""
        return []


class ReversibleRouter(Router):
    """A router that can name the URLs of its routes."""

    def reverse_url(self, name: str, *args: Any) -> str | None:
        """The URL path of the route `name` with `args`, or None if there is no such route."""
        raise NotImplementedError()


def _rule_of(given: Any) -> Rule:
    """The rule that a tuple means. Errors say which tuple."""
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3, 4):
        raise TypeError(
            f"not a rule: {given!r}; a rule is (pattern, handler), with a dict of arguments and "
            "a name after them if need be"
        )
    matcher, target, *rest = given
    if not isinstance(matcher, str) and not hasattr(matcher, "match"):
        raise TypeError(f"the rule {given!r} begins with no pattern; the handler comes second")
    if isinstance(matcher, re.Pattern):
        matcher = PathMatches(matcher)
    if rest and not isinstance(rest[0], (dict, type(None))):
        raise TypeError(
            f"the third of the rule {given!r} is a dict of arguments for the handler; "
            "its name is the fourth"
        )
    try:
        if isinstance(matcher, str):
            matcher = path_matcher(matcher)
        return Rule(matcher, target, *rest)
    except Exception as error:
        error.add_note(f"in the rule {given!r}")
        raise


class CallableResponder:
    """An async function over an exchange as a routing target."""

    __slots__ = ("function",)

    def __init__(self, function: Any) -> None:
        self.function = function

    async def respond(self, exchange: Exchange) -> None:
        function = self.function
        result = function(exchange)
        if type(result) is not CoroutineType:
            result = awaitable(result, name_of(function))
        await result


class RuleRouter(Router):
    """Asks an ordered table of rules."""

    def __init__(self, rules: Iterable[RuleLike] | None = None) -> None:
        self.rules: list[Rule] = RuleList()
        if rules:
            self.add_rules(rules)

    def add_rules(self, rules: Iterable[RuleLike]) -> None:
        """Append rules: `Rule` objects, or tuples of `Rule`'s arguments.

        A tuple that starts with text is matched against the path.
        """
        for rule in rules:
            if not isinstance(rule, Rule):
                rule = _rule_of(rule)
            self.rules.append(self.process_rule(rule))
        if type(self.rules) is RuleList:
            self.rules.complete_if_begun()

    def process_rule(self, rule: Rule) -> Rule:
        """Override to inspect or replace each rule as it is added."""
        return rule

    def find_handler(self, request: Request, **kwargs: Any) -> Any:
        rules = self.rules
        if type(rules) is not RuleList:  # assigned anew by the program
            self.rules = rules = RuleList(rules)
        index = rules.route_index or rules.complete()
        for rule in index.candidates(request.path):
            params = rule.matcher.match(request)
            if params is None:
                continue
            request._rule = rule  # the last one is the closest
            if rule.target_kwargs:
                params = {**params, "target_kwargs": rule.target_kwargs}
            target = rule.target
            if params:
                delegate = self.get_target_delegate(target, request, **params)
            else:
                delegate = self.get_target_delegate(target, request)
            if delegate is not None:
                return delegate
        return None

    def get_target_delegate(self, target: Any, request: Request, **target_params: Any) -> Any:
        """The responder for a rule's target, or None to try the next rule.

        Extend it to allow further kinds of targets.
        """
        if isinstance(target, Router):
            return target.find_handler(request, **target_params)
        if callable(target):
            return CallableResponder(target)
        return None

    def lifespans(self) -> list[Lifespan]:
        """Those of all targets, in the order of the rules."""
        return [each for rule in self.rules for each in lifespans_of(rule.target)]


class ReversibleRuleRouter(ReversibleRouter, RuleRouter):
    """A rule router whose named rules can be reversed, nested ones included."""

    def __init__(self, rules: Iterable[RuleLike] | None = None) -> None:
        self.named_rules: dict[str, Rule] = {}
        super().__init__(rules)

    def process_rule(self, rule: Rule) -> Rule:
        rule = super().process_rule(rule)
        name = rule.name
        if name and self.named_rules.setdefault(name, rule) is not rule:
            app_log.warning("Multiple handlers named %s; replacing previous value", name)
            self.named_rules[name] = rule
        return rule

    def reverse_url(self, name: str, *args: Any) -> str | None:
        named = self.named_rules.get(name)
        if named is not None:
            return named.matcher.reverse(*args)
        nested = (r.target for r in self.rules if isinstance(r.target, ReversibleRouter))
        found = (router.reverse_url(name, *args) for router in nested)
        return next((url for url in found if url is not None), None)
