"""Messages, the table of troubles and the sections of the page are one list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tornado_trio._util.troubles import Trouble, explain_command

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
SOURCES = {
    str(file.relative_to(ROOT)): file.read_text("utf-8")
    for package in ("tornado_trio", "compat")
    for file in (ROOT / package).rglob("*.py")
}


def test_sections_are_the_table() -> None:
    sections = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert sections == [trouble.value for trouble in Trouble]


@pytest.mark.parametrize("trouble", Trouble)
def test_each_is_led_to_by_a_message(trouble: Trouble) -> None:
    if trouble is Trouble.ANOTHER_TORNADO:
        # compat's own module loads nothing of the library: another tornado may be half of one.
        assert str(trouble) in SOURCES["compat/__init__.py"]
    else:
        assert any(f"{{Trouble.{trouble.name}}}" in text for text in SOURCES.values())


def test_no_other_message_spells_an_address() -> None:
    spelt = {
        name: found
        for name, text in SOURCES.items()
        if (found := re.findall(r"\((?:troubleshooting#|tornado-trio explain )[a-z-]+\)", text))
    }
    assert spelt == {"compat/__init__.py": [str(Trouble.ANOTHER_TORNADO)]}


@pytest.mark.parametrize("trouble", Trouble)
def test_each_section_quotes_its_message_and_has_a_cause_and_a_cure(trouble: Trouble) -> None:
    text = trouble.section()
    quoted = re.match(r"> (.+)\n", text)
    assert quoted is not None
    assert re.search(r"^\*\*Cause\.\*\* .+\n", text, re.MULTILINE)
    assert re.search(r"^\*\*Cure\.\*\* .+\n?", text, re.MULTILINE)
    assert "\n## " not in text


@pytest.mark.parametrize("trouble", Trouble)
def test_quoted_messages_are_messages(trouble: Trouble) -> None:
    """Three words of the quotation stand in the source, in a row: the others may be values."""
    words = trouble.section().partition("\n")[0].split()[1:]
    rows = {" ".join(words[start : start + 3]) for start in range(len(words) - 2)}
    source = re.sub(r'"\s*\n\s*f?"', "", "".join(SOURCES.values()))
    assert any(row in source for row in rows), rows


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain_command(["port-in-use"]) == 0
    assert "--port 8889" in capsys.readouterr().out
    assert explain_command([]) == 0
    assert capsys.readouterr().out.split() == [trouble.value for trouble in Trouble]
    assert explain_command(["port"]) == 2
    assert "takes one of needs-trio, " in capsys.readouterr().err
