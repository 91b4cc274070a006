"""The template language, case by case: what Tornado 6.6.1 puts out, or refuses, for each source.

`language.json` holds sources with the outcome observed with Tornado; bytes are kept as Latin-1.
"""

import json
import re
import traceback
from pathlib import Path
from typing import Any

import pytest

from tornado_trio.template import DictLoader, ParseError

CASES = json.loads(Path(__file__).with_name("language.json").read_text())


def up(value: str | bytes) -> str:
    return (value.decode() if isinstance(value, bytes) else value).upper()


class Bad:
    def __str__(self) -> str:
        raise ValueError("bad")


class Marked(str):
    def __str__(self) -> str:
        return "X" + str.__str__(self)


class Shown:
    def __str__(self) -> str:
        return "<obj>"


class Modules:
    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: f"<{name}{args}{sorted(kwargs.items())}>"


def variables() -> dict[str, Any]:
    return {
        "name": "Ben <b>&'\"",
        "n": 3,
        "items": [1, 2, 3],
        "d": {"a": 1},
        "up": up,
        "none": None,
        "b": b"by<tes",
        "bad": b"\xff<",
        "obj": Shown(),
        "sub": Marked("<s>"),
        "flt": 1.5,
        "uni": "é",
        "Bad": Bad,
        "_tt_modules": Modules(),
        "t": True,
    }


def case_id(case: dict[str, Any]) -> str:
    return f"{case['load']}={case['templates'][case['load']]!r}"[:60]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_case(case: dict[str, Any]) -> None:
    loader = DictLoader(case["templates"], **case.get("options", {}))

    def run() -> bytes:
        return loader.load(case["load"]).generate(**variables())

    if "output" in case:
        assert run().decode("latin-1") == case["output"]
        return
    if case["at"] == "load":
        with pytest.raises(Exception) as info:
            loader.load(case["load"])
    else:
        with pytest.raises(Exception) as info:
            run()
    assert type(info.value).__name__ == case["error"]
    if case["error"] == "ParseError":
        assert str(info.value) == case["message"]
    if "where" in case:
        lines = "".join(traceback.format_exception(info.value))
        assert re.findall(r"# (\S+:\d+(?: \(via .*?\))?)$", lines, re.M)[-1] == case["where"]


# Where we say more than Tornado does


def test_a_template_that_includes_itself_is_refused_with_the_chain() -> None:
    loader = DictLoader({"a": "{% include b %}", "b": "{% include a %}"})
    with pytest.raises(ParseError, match="a -> b -> a"):
        loader.load("a")
    # and the loader is not left in the middle of it
    with pytest.raises(ParseError, match="b -> a -> b"):
        loader.load("b")


def test_extends_where_it_cannot_be() -> None:
    loader = DictLoader(
        {"base": "x", "inner": "{% extends base %}", "a": "{% include inner %}"}
        | {"b": "{% if 1 %}{% extends base %}{% end %}"}
    )
    with pytest.raises(ParseError, match="must not extend another at a:1"):
        loader.load("a")
    with pytest.raises(ParseError, match="inside another block at b:1"):
        loader.load("b")


def test_expressions_over_several_lines() -> None:
    assert DictLoader({"t": "{{ 'a'\n 'b' }}"}).load("t").generate() == b"ab"
    loader = DictLoader({"t": "one\n{{\n  [1,\n   1 /\n   n][0]\n}}"})
    with pytest.raises(ZeroDivisionError) as info:
        loader.load("t").generate(n=0)
    lines = "".join(traceback.format_exception(info.value))
    assert "1 /  # t:4" in lines


def test_any_white_space_may_follow_the_first_word() -> None:
    assert DictLoader({"t": "{%\n if\n n %}a{%\tend\t%}"}).load("t").generate(n=1) == b"a"


def test_functions_given_as_expressions() -> None:
    loader = DictLoader(
        {
            "apply": "{% apply lambda s: s * 2 %}x{% end %}",
            "escape": "{% autoescape lambda s: b'[%s]' % s %}{{ n }}",
        }
    )
    assert loader.load("apply").generate() == b"xx"
    assert loader.load("escape").generate(n=1) == b"[1]"


def test_missing_end_says_where_the_block_starts() -> None:
    with pytest.raises(ParseError) as info:
        DictLoader({"t": "\n{% if 1 %}\n\n{{ 2 }}\n"}).load("t")
    assert str(info.value) == "Missing {% end %} block for if at t:4"
    assert info.value.__notes__ == ["the if block starts at t:2"]
