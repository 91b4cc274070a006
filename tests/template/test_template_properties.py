"""Templates from arbitrary text: what has no tag comes out unchanged, escaped stays escaped,
and a broken template raises nothing but what it is documented to raise."""

import html

from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_trio.template import DictLoader, ParseError, Template
from tornado_trio.template.reader import tokens

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
PIECES = st.lists(
    st.one_of(
        TEXT,
        st.sampled_from(
            ["{{", "}}", "{%", "%}", "{#", "#}", "{{!", "{%!", "{", "}", "\n", " ", "'", '"', "\\"]
        ),
        st.sampled_from(
            ["{{ x }}", "{% raw x %}", "{% if x %}", "{% for i in x %}", "{% end %}", "{% else %}"]
            + ["{% set y = 1 %}", "{% block b %}", "{% apply str %}", "{% try %}", "{# c #}"]
            + ["{% except %}", "{% whitespace oneline %}", "{% autoescape None %}", "{{ await x }}"]
        ),
    ),
    max_size=12,
)


@given(TEXT)
def test_text_comes_out_unchanged(text: str) -> None:
    source = text.replace("{{", "{").replace("{%", "{").replace("{#", "{")
    if "{{" in source or "{%" in source or "{#" in source:
        return
    assert Template(source, whitespace="all").generate() == source.encode()


@given(TEXT)
def test_values_are_escaped(value: str) -> None:
    output = Template("<p>{{ x }}</p>").generate(x=value).decode()
    inner = output[3:-4]
    assert not set("<>\"'") & set(inner)
    assert html.unescape(inner) == html.unescape(html.escape(value))


@settings(max_examples=300, deadline=None)
@given(PIECES)
def test_any_source_compiles_or_says_what_is_wrong(pieces: list[str]) -> None:
    source = "".join(pieces)
    try:
        DictLoader({"t": source}).load("t")
    except ParseError as error:
        assert error.filename == "t"
        assert 1 <= error.lineno <= source.count("\n") + 1
    except SyntaxError:
        pass  # a tag holds what is not Python
    except ValueError as error:
        assert "null bytes" in str(error)
    except Exception as error:
        assert str(error).startswith("invalid whitespace mode")


@given(PIECES)
def test_lines_of_tokens_are_right(pieces: list[str]) -> None:
    source = "".join(pieces)
    try:
        found = list(tokens(source, "t"))
    except ParseError:
        return
    lines = source.split("\n")
    for token in found:
        first = token.value.split("\n")[0]
        assert first in lines[token.line - 1]
