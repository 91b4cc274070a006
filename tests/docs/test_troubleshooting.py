"""Messages that name a section of the troubleshooting page name one that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()


def named() -> set[str]:
    """The sections that messages of either package lead to."""
    found: set[str] = set()
    for package in ("tornado_trio", "compat"):
        for file in (ROOT / package).rglob("*.py"):
            found |= set(re.findall(r"\(troubleshooting#([a-z-]+)\)", file.read_text()))
    return found


def test_sections_are_what_messages_lead_to() -> None:
    assert set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE)) == named()


def test_each_section_quotes_its_message_and_has_a_cause_and_a_cure() -> None:
    source = "".join(
        file.read_text()
        for package in ("tornado_trio", "compat")
        for file in (ROOT / package).rglob("*.py")
    )
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        topic, _, text = section.partition("\n")
        assert re.search(r"^> .+$", text, re.MULTILINE), topic
        assert "**Cause.**" in text, topic
        assert "**Cure.**" in text, topic
        assert source.count(f"(troubleshooting#{topic})") >= 1
