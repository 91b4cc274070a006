"""`Template`: arguments, names it sees, tracebacks, and what it refuses."""

import linecache
import traceback

import pytest

from tornado_trio.escape import xhtml_escape
from tornado_trio.template import DictLoader, ParseError, Template, filter_whitespace


def test_source_as_text_or_bytes() -> None:
    assert Template("é{{ n }}").generate(n="é") == "éé".encode()
    assert Template("é{{ n }}".encode()).generate(n="é".encode()) == "éé".encode()
    with pytest.raises(UnicodeDecodeError):
        Template(b"\xff")


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        Template("\ud800")
    with pytest.raises(UnicodeEncodeError):
        Template("{{ n }}").generate(n="\ud800")


def test_whitespace_arguments() -> None:
    source = "  a \n\n b"
    assert Template(source).generate() == b"  a \n\n b"
    assert Template(source, name="x.html").generate() == b" a\nb"
    assert Template(source, whitespace="oneline").generate() == b" a b"
    assert Template(source, compress_whitespace=True).generate() == b" a\nb"
    assert Template(source, "x.html", compress_whitespace=False).generate() == b"  a \n\n b"
    with pytest.raises(Exception, match="cannot set both"):
        Template(source, compress_whitespace=True, whitespace="all")


def test_filter_whitespace() -> None:
    text = "  a \t b\r\n \n\n c"
    assert filter_whitespace("all", text) == text
    assert filter_whitespace("single", text) == " a b\nc"
    assert filter_whitespace("oneline", text) == " a b c"
    with pytest.raises(Exception, match="invalid whitespace mode x"):
        filter_whitespace("x", text)


def test_autoescape_argument() -> None:
    assert Template("{{ n }}").generate(n="<") == b"&lt;"
    assert Template("{{ n }}", autoescape=None).generate(n="<") == b"<"
    assert Template("{{ n }}", autoescape="url_escape").generate(n="<") == b"%3C"
    loader = DictLoader({}, autoescape=None)
    assert Template("{{ n }}", loader=loader).generate(n="<") == b"<"
    assert Template("{{ n }}", loader=loader, autoescape="escape").generate(n="<") == b"&lt;"


def test_every_way_to_replace_the_escaping_function() -> None:
    def shout(value: bytes) -> str:
        assert type(value) is bytes
        return value.decode().upper()

    assert Template("{{ n }}").generate(n="a<", xhtml_escape=shout) == b"A<"
    loader = DictLoader({"t": "{{ n }}"}, namespace={"xhtml_escape": shout})
    assert loader.load("t").generate(n="a<") == b"A<"
    assert Template("{% set xhtml_escape = f %}{{ n }}").generate(n="a<", f=shout) == b"A<"
    nested = "{% set xhtml_escape = f %}{% apply str %}{{ n }}{% end %}"
    assert Template(nested).generate(n="a<", f=shout, str=shout) == b"A<"
    source = "{% for xhtml_escape in [f] %}{{ n }}{% end %}"
    assert Template(source).generate(n="a<", f=shout) == b"A<"
    # The stock function itself, passed under its own name, changes nothing.
    assert Template("{{ n }}").generate(n="<", xhtml_escape=xhtml_escape) == b"&lt;"


def test_names_a_template_sees() -> None:
    source = "{% raw ' '.join(sorted(k for k in globals() if k[0] != '_')) %}"
    names = b"datetime escape json_encode linkify squeeze url_escape xhtml_escape"
    assert Template(source).generate() == names
    loader = DictLoader({"t": "{{ zz }}{{ escape }}"}, namespace={"zz": 1, "escape": 2})
    assert loader.load("t").generate() == b"12"
    assert loader.load("t").generate(zz=3) == b"32"
    # The loader's namespace is read when the template runs.
    loader.namespace["zz"] = 4
    assert loader.load("t").generate() == b"42"


def test_one_call_leaves_nothing_to_the_next() -> None:
    template = Template("{% set seen = globals().setdefault('seen_', []) %}{{ len(seen) }}")
    assert template.generate() == b"0"
    assert template.generate() == b"0"


def test_syntax_errors_show_the_line_of_the_template() -> None:
    with pytest.raises(SyntaxError) as info:
        DictLoader({"t.html": "a\n{{ if }}"}).load("t.html")
    assert "# t.html:2" in "".join(traceback.format_exception(info.value))


def test_tracebacks_of_two_templates_with_one_name() -> None:
    """Both are called "<string>": each traceback must show its own source."""
    first, second = Template("{{ 1 / n }}"), Template("\n\n{{ [][n] }}")
    for template, code in (first, "1 / n"), (second, "[][n]"), (first, "1 / n"):
        linecache.checkcache()
        try:
            template.generate(n=0)
        except (ZeroDivisionError, IndexError):
            assert code in traceback.format_exc()
        else:
            raise AssertionError("no error")


def test_stack_of_a_running_template_shows_its_source() -> None:
    linecache.clearcache()
    seen: list[str] = []
    template = Template("\n{{ look() }}", name="live.html")
    template.generate(look=lambda: seen.extend(traceback.format_stack()))
    assert any("# live.html:2" in entry for entry in seen)


def test_include_without_a_loader() -> None:
    with pytest.raises(ParseError, match="without a loader"):
        Template("{% include x %}")


def test_file_names_with_line_breaks_do_not_break_the_code() -> None:
    loader = DictLoader({"a\nb": "{{ n }}{% block x %}{{ n }}{% end %}"})
    assert loader.load("a\nb").generate(n=1) == b"11"


def test_repr() -> None:
    assert repr(Template("", name="a.html")) == "<Template 'a.html'>"
