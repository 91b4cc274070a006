"""The route table: order, the index behind it, reversal."""

from __future__ import annotations

import logging
import re
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
    assert router._index is not None and len(router._index._merged) == 0


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
