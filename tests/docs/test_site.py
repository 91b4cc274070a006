"""The site as its readers get it: built strictly, looked at in headless Chromium, from its files.

No page scrolls sideways, complains, fetches from another host, or is longer than six screens.
Skipped where there is no Chromium or mkdocs-material; with CI set that is a failure.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from tests.examples.chromium import Browser, Page, browser, shared

ROOT = Path(__file__).parent.parent.parent
SCREEN = 900  # CSS pixels, at a width of 1280
SCREENS = 6
WIDTHS = (1280, 390)

__all__ = ["browser", "shared"]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("material", "mkdocstrings_handlers.python", "griffe_sphinx"):
        if not os.environ.get("CI"):
            pytest.importorskip(name, reason="the extra `docs` is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "WARNING" not in ended.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> list[Path]:
    return sorted(page for page in site.rglob("*.html") if page.name != "404.html")


def tab(browser: Browser) -> Page:
    page = browser.page("about:blank#")
    page.call("Log.enable")
    return page


def go(page: Page, file: Path, width: int) -> None:
    page.resize(width, SCREEN)
    page.call("Page.navigate", url=file.as_uri())
    page.wait_for(
        f"location.href === '{file.as_uri()}' && document.readyState === 'complete'"
        " && document.querySelector('article')"
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_and_do_not_complain(
    browser: Browser, site: Path, pages: list[Path], width: int
) -> None:
    page, wrong = tab(browser), []
    assert len(pages) > 80
    for file in pages:
        go(page, file, width)
        name = str(file.relative_to(site))
        wide, high = page.evaluate(
            "(all => [all.scrollWidth, all.scrollHeight])(document.documentElement)"
        )
        if wide > width:
            wrong.append(f"{name} is {wide} px wide, of {width}")
        if width == WIDTHS[0] and high > SCREENS * SCREEN:
            wrong.append(f"{name} is {high / SCREEN:.1f} screens long: split it")
        wrong += [f"{name}: {text}" for text in browser.complaints]
        browser.complaints.clear()
    assert wrong == []


def test_nothing_comes_from_another_host(site: Path, pages: list[Path]) -> None:
    """Pages load what lies beside them; they may link elsewhere."""
    for file in [*pages, *site.rglob("*.css")]:
        text = file.read_text()
        fetched = re.findall(r"""(?:src=|url\()["']?((?:https?:)?//[^"')\s]+)""", text)
        fetched += re.findall(r'<link[^>]+href="((?:https?:)?//[^"]+)', text)
        assert fetched == [], file


def test_links_and_anchors_lead_somewhere(site: Path, pages: list[Path]) -> None:
    anchors = {page: set(re.findall(r'\bid="([^"]+)"', page.read_text())) for page in pages}
    wrong = []
    for page in pages:
        for link in map(unescape, re.findall(r'<a\b[^>]*\bhref="([^"]+)"', page.read_text())):
            if re.match(r"\w+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            target = target / "index.html" if target.is_dir() else target
            found = target.exists() and (not anchor or anchor in anchors.get(target, {anchor}))
            if not found:
                wrong.append(f"{page.relative_to(site)}: {link}")
    assert wrong == []


def test_names_say_whose_they_are(site: Path) -> None:
    text = (site / "reference/handler-request.html").read_text()
    assert ">RequestHandler.get_argument</span>" in text


def test_search_works_from_files(browser: Browser, site: Path) -> None:
    """Without a server, as `make docs` leaves them."""
    page = tab(browser)
    go(page, site / "index.html", 1280)
    page.write(".md-search__input", "get_body_argument")
    page.evaluate("document.activeElement.dispatchEvent(new Event('keyup', {bubbles: true}))")
    page.wait_for(
        "[...document.querySelectorAll('.md-search-result__link')]"
        ".some(link => link.href.includes('handler-request.html'))"
    )
    assert browser.complaints == []


def test_code_can_be_copied(browser: Browser, site: Path) -> None:
    page = tab(browser)
    go(page, site / "tutorial/first-service.html", 1280)
    page.wait_for("document.querySelectorAll('pre button, .md-code__nav button').length > 2")
    # Of a terminal, what one types: the theme marks a block while it copies it.
    typed = page.evaluate(
        "(code => { code.setAttribute('data-md-copying', ''); return code.innerText; })"
        "(document.querySelector('.gp').closest('code'))"
    )
    assert typed.split("\n")[0] == "python3 -m venv env"


AXE = """
axe.run(document).then(found => found.violations.map(each => each.id + ": " + each.nodes
    .slice(0, 5).map(node => node.target + " " + node.failureSummary).join("; ")))
"""
LOOKED_AT = ["index", "tutorial/first-service", "reference/handler", "troubleshooting"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(browser: Browser, site: Path, width: int, scheme: str) -> None:
    """Contrast, labels, headings, landmarks, by axe-core's own rules."""
    if not os.environ.get("CI"):
        pytest.importorskip("axe_core_python", reason="axe-core is not installed")
    import axe_core_python

    script = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
    page = tab(browser)
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    page.call("Emulation.setEmulatedMedia", features=media)
    for name in LOOKED_AT:
        go(page, site / f"{name}.html", width)
        assert page.evaluate("document.body.dataset.mdColorScheme") == (
            "default" if scheme == "light" else "slate"
        )
        page.evaluate(f"{script}; null")
        found = page.evaluate(AXE)
        assert found == [], (name, "\n".join(found))
