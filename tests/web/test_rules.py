"""The route table: order, the index behind it, reversal."""

from __future__ import annotations

import copy
import logging
import re
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_trio.web import (
    AnyMatches,
    HostMatches,
    PathMatches,
    ReversibleRuleRouter,
    Router,
    Rule,
    RuleRouter,
    URLSpec,
)
from tornado_trio.web.route_index import RuleList


def request(path: str, host_name: str = "h.com") -> Any:
    return SimpleNamespace(path=path, host_name=host_name, headers={})


class Named(RuleRouter):
    """Targets are numbers, and answer with themselves; -1 passes on."""

    def get_target_delegate(self, target: Any, request: Any, **params: Any) -> Any:
        if isinstance(target, Router):
            return super().get_target_delegate(target, request, **params)
        return None if target == -1 else (target, params)


def find(router: Router, path: str) -> Any:
    found = router.find_handler(request(path))
    return found and found[0]


def table(*patterns: str) -> Named:
    router = Named()
    router.rules.extend(Rule(PathMatches(p), None) for p in patterns)
    for i, each in enumerate(router.rules):
        each.target = i
    return router


def test_first_match_wins_whatever_the_kind_of_pattern() -> None:
    router = table("/a", "/a.*", "/(a|b)", ".*", "/a", "/b", "/c/(.*)", "/c/d", "/never")
    assert [find(router, p) for p in ("/a", "/ab", "/b", "/c/d", "/never", "/x")] == [
        0, 1, 2, 3, 3, 3,
    ]  # fmt: skip


def test_a_target_that_declines_passes_on() -> None:
    router = table("/a", "/a", "/b", "/c", "/d", "/a.*", "/e")
    router.rules[0].target = router.rules[1].target = -1
    assert find(router, "/a") == 5
    assert find(router, "/a") == 5  # and from the memory of literal routes


def test_changes_of_the_list_are_seen() -> None:
    router = table(*[f"/{i}" for i in range(10)])
    assert find(router, "/new") is None
    new = Rule(PathMatches("/new"), 10)
    router.rules.insert(0, new)
    assert find(router, "/new") == 10
    router.rules.remove(new)
    assert find(router, "/new") is None
    router.rules += [new]
    assert find(router, "/new") == 10
    del router.rules[-1]
    assert find(router, "/new") is None
    router.rules[0] = new
    assert find(router, "/new") == 10
    router.rules.pop(0)
    assert find(router, "/new") is None
    router.rules = [new]  # a plain list
    assert find(router, "/new") == 10
    router.rules.append(Rule(PathMatches("/x"), 11))
    assert find(router, "/x") == 11
    router.rules.clear()
    assert find(router, "/x") is None


def test_reversing_the_list_reverses_the_order() -> None:
    router = table(*["/a"] * 8)
    assert find(router, "/a") == 0
    router.rules.reverse()
    assert find(router, "/a") == 7
    router.rules.sort(key=lambda rule: rule.target)
    assert find(router, "/a") == 0


def test_a_matcher_of_ones_own_is_always_asked() -> None:
    class Odd(PathMatches):
        def match(self, request: Any) -> dict[str, Any] | None:
            return {}

    router = table(*[f"/{i}" for i in range(10)])
    router.rules.insert(5, Rule(Odd("/nothing"), 99))
    assert find(router, "/4") == 4
    assert find(router, "/7") == 99


_PATTERN = st.text(alphabet="ab/.*?(|)[]$\\", max_size=6).map(lambda s: "/" + s)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(patterns=st.lists(_PATTERN, min_size=5, max_size=30), path=st.text("ab/.*?", max_size=5))
def test_index_agrees_with_asking_each_rule(patterns: list[str], path: str) -> None:
    good = []
    for pattern in patterns:
        try:
            PathMatches(pattern)
        except (re.error, AssertionError):
            continue
        good.append(pattern)
    router = table(*good)
    path = "/" + path
    expected = next(
        (i for i, p in enumerate(good) if PathMatches(p).regex.match(path)),
        None,
    )
    for _ in range(2):
        found = router.find_handler(request(path))
        assert (found[0] if found else None) == expected


# Beginnings that are literal and overlap, and what may follow them.
_BEGINNINGS = (
    "",
    "^",
    "/",
    "/a",
    "/ab",
    "/ab/",
    r"/a\.b",
    "/caf\u00e9/",
    "/%41",
    "/b",
    "^/a",
    "(?i)/A",
)
_ENDINGS = (
    "", "$", "/", r"(\d+)", r"/(\d+)", "(/x)?", "(?:/x)*", "?", "{2}", "*", "+?", "|/b", "(b|c)",
    "[ab]",
    ".*", r"\Z", "(?!b)", "(?P<n>.+)", "(?i:B)", r"\/b", "%2F(.*)", "(.*)/a", r"\b.*", "$|/a", "()",
)  # fmt: skip
_WHOLE = st.builds("{}{}".format, st.sampled_from(_BEGINNINGS), st.sampled_from(_ENDINGS))
_FLAGS = st.sampled_from([None, re.NOFLAG, re.IGNORECASE, re.VERBOSE])
_PATHS = st.builds(
    "{}{}".format,
    st.sampled_from(["", "/", "/a", "/A", "/ab", "/ab/", "/a.b", "/caf%C3%A9/", "/%41", "/b", "*"]),
    st.sampled_from(
        ["", "/", "7", "/7", "/x", "/x/x", "a", "b", "B", "/b", "%2Fx", "%C3%A9", "//a"]
    ),
)
_HOSTS = st.sampled_from(["h.com", "g.com"])
_STEP = st.one_of(
    st.tuples(st.just("find"), _PATHS, _HOSTS),
    st.tuples(st.sampled_from(["append", "add", "insert"]), _WHOLE, _FLAGS),
    st.tuples(st.just("host"), _HOSTS, st.none()),
    st.tuples(st.just("delete"), st.none(), st.none()),
)


def _matcher(kind: str, what: str, flags: re.RegexFlag | None) -> PathMatches | HostMatches | None:
    if kind == "host":
        return HostMatches(what)
    try:
        return PathMatches(what if flags is None else re.compile(what, flags))
    except re.error:
        return None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(
    table=st.lists(st.tuples(_WHOLE, _FLAGS), max_size=20),
    steps=st.lists(_STEP, min_size=5, max_size=30),
    data=st.data(),
)
def test_a_changing_table_agrees_with_a_linear_search(
    table: list[tuple[str, re.RegexFlag | None]],
    steps: list[tuple[str, Any, Any]],
    data: st.DataObject,
) -> None:
    made = [each for pattern in table if (each := _matcher("", *pattern))]
    router = Named([(matcher, i) for i, matcher in enumerate(made)])
    mirror = [(matcher, i) for i, matcher in enumerate(made)]
    for number, (kind, what, how) in enumerate(steps, len(made)):
        if kind == "find":
            asked = request(what, how)
            found = router.find_handler(asked)
            answers = (
                (i, m) for matcher, i in mirror if (m := _linear(matcher, asked)) is not None
            )
            assert found == next(answers, None)
        elif kind == "delete":
            if mirror:
                at = data.draw(st.integers(0, len(mirror) - 1))
                del router.rules[at], mirror[at]
        elif matcher := _matcher(kind, what, how):
            at = data.draw(st.integers(0, len(mirror))) if kind == "insert" else len(mirror)
            mirror.insert(at, (matcher, number))
            if kind == "insert":
                router.rules.insert(at, Rule(matcher, number))
            elif kind == "append":
                router.rules.append(Rule(matcher, number))
            else:
                router.add_rules([(matcher, number)])


def _linear(matcher: PathMatches | HostMatches, asked: Any) -> dict[str, Any] | None:
    """What the matcher's regular expression says of the request, and nothing but it."""
    if isinstance(matcher, HostMatches):
        return {} if matcher.host_pattern.match(asked.host_name) else None
    decoded = asked.path.replace("%C3%A9", "\u00e9")
    found = matcher.regex.match(asked.path)
    if not found and not matcher.regex.pattern.isascii():
        found = matcher.regex.match(decoded)
    if not found:
        return None
    return matcher.match(asked) if matcher.regex.groups else {}


def test_the_list_of_rules_is_a_list() -> None:
    router = table("/a", "/b", "/c", "/d", "/e", "/f")
    assert router.rules.index(router.rules[4]) == 4
    assert find(router, "/e") == 4
    for same in (copy.copy(router.rules), copy.deepcopy(router.rules)):
        other = Named()
        other.rules = same
        other.rules.append(Rule(PathMatches("/g"), 6))
        assert find(other, "/g") == 6 and find(other, "/e") == 4
    assert find(router, "/g") is None
    router.rules *= 2
    del router.rules[:6]
    assert find(router, "/e") == 4


def test_rules_given_half_are_found() -> None:
    router = table(*[f"/{i}" for i in range(10)])

    def broken() -> Any:
        yield Rule(PathMatches("/new"), 10)
        raise LookupError

    with pytest.raises(LookupError):
        router.rules.extend(broken())
    assert find(router, "/new") == 10
    with pytest.raises(LookupError):
        router.add_rules(broken())
    router.rules[10].target = -1
    assert find(router, "/new") == 10


def test_threads_add_rules_while_others_look() -> None:
    router = table(*[f"/{i}" for i in range(10)])
    missed: list[str] = []

    def add(which: int) -> None:
        for i in range(300):
            path, target = f"/{which}/{i}", (which, i)
            if i % 50:
                router.add_rules([(path, target), (path, -1)])
            else:
                router.rules.insert(0, Rule(PathMatches(path), target))
            if find(router, path) != target or find(router, "/5") != 5:
                missed.append(path)

    threads = [threading.Thread(target=add, args=[which]) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []
    assert len(router.rules) == 10 + 4 * (294 * 2 + 6)


def test_no_request_waits_for_the_index() -> None:
    router = Named([(f"/r{i}/(.*)", i) for i in range(1000)])
    assert isinstance(router.rules, RuleList)
    before = router.rules.route_index
    router.add_rules([("/late/(.*)", 1000)])
    assert before is not None and router.rules.route_index is before  # completed, not made anew
    assert find(router, "/late/x") == 1000


def test_cost_does_not_grow_with_the_table() -> None:
    def cost(n: int) -> float:
        router = table(*[f"/r{i}/(.*)" for i in range(n)], *[f"/e{i}" for i in range(n)])
        asked = [request(f"/r{n - 1}/x"), request(f"/e{n - 1}"), request("/nothing")]
        best = 1.0
        for _ in range(5):
            start = time.process_time()
            for _ in range(200):
                for each in asked:
                    router.find_handler(each)
            best = min(best, time.process_time() - start)
        return best

    assert cost(4000) < 4 * cost(40)


def test_nothing_is_kept_for_unknown_paths() -> None:
    router = table(*[f"/{i}" for i in range(10)], "/x/(.*)")
    for i in range(1000):
        find(router, f"/x/{i}")
        find(router, f"/unknown{i}")
    assert isinstance(router.rules, RuleList) and router.rules.route_index is not None
    assert len(router.rules.route_index._merged) == 0


def test_tuples_and_kwargs() -> None:
    router = Named([("/a", 1, {"k": "v"}, "name"), (AnyMatches(), 2)])
    assert router.find_handler(request("/a")) == (1, {"target_kwargs": {"k": "v"}})
    assert router.find_handler(request("/z")) == (2, {})
    with pytest.raises(TypeError):
        Named([("/a",)])


def test_nested_routers_and_hosts() -> None:
    router = Named([
        (HostMatches("a.com"), Named([("/x", 1)])),
        ("/x", 2),
    ])  # fmt: skip
    assert router.find_handler(request("/x", "a.com"))[0] == 1
    assert router.find_handler(request("/x", "b.com"))[0] == 2
    assert router.find_handler(request("/y", "a.com")) is None


def test_targets_by_name() -> None:
    spec = URLSpec("/a/(.*)", "tornado_trio.web.RequestHandler", {"a": 1}, "n")
    assert spec.handler_class is spec.target
    assert spec.handler_class.__name__ == "RequestHandler"
    assert spec.kwargs == {"a": 1} and spec.reverse("b") == "/a/b"
    assert "'/a/(.*)$'" in repr(spec)
    with pytest.raises(ImportError):
        URLSpec("/a", "no_such_module.Handler")


def test_reverse_url() -> None:
    inner = ReversibleRuleRouter([("/in/(.*)", None, {}, "inner")])
    router = ReversibleRuleRouter([
        ("/out", None, {}, "outer"),
        ("/in.*", inner),
    ])  # fmt: skip
    assert router.reverse_url("outer") == "/out"
    assert router.reverse_url("inner", "x") == "/in/x"
    assert router.reverse_url("none") is None


def test_a_name_used_twice_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        router = ReversibleRuleRouter([("/a", None, {}, "n"), ("/b", None, {}, "n")])
    assert router.reverse_url("n") == "/b"
    assert "Multiple handlers named n" in caplog.text


def test_native_targets() -> None:
    async def app(exchange: Any) -> None: ...

    responder = RuleRouter([("/a", app)]).find_handler(request("/a"))
    assert responder.function is app
    assert RuleRouter([("/a", 5)]).find_handler(request("/a")) is None
    with pytest.raises(NotImplementedError):
        Router().find_handler(request("/"))
    assert "Rule(" in repr(Rule(AnyMatches(), None))
