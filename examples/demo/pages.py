"""README, the documentation and the programs, as the demo serves them: part of examples/demo.

Pages are shown as they are written, in Markdown, with their links and pictures working; `make docs`
makes a site of them. Nothing else of the folder is served.
"""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

from tornado_trio import web
from tornado_trio.escape import xhtml_escape

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("docs", "examples", "tornado_trio", "compat")
TEXTS = {".cfg", ".css", ".csv", ".html", ".js", ".md", ".py", ".toml"}
PICTURES = {".png", ".svg"}
LINK = re.compile(r"(!?)\[([^\[\]]+)\]\(([^)\s]+)\)")


def find(name: str) -> Path | None:
    """The file of that name below ROOT, if it is one to be shown."""
    file = (ROOT / name).resolve()
    if not file.is_file() or not file.is_relative_to(ROOT):
        return None
    parts = file.relative_to(ROOT).parts
    if any(part.startswith((".", "_")) for part in parts[:-1]):
        return None
    if len(parts) == 1:
        return file if file.suffix == ".md" or file.name in ("LICENSE", "pyproject.toml") else None
    return file if parts[0] in FOLDERS and file.suffix in TEXTS | PICTURES else None


def linked(text: str) -> str:
    """Markdown as HTML that shows its source; links and pictures are what they are in it."""

    def tag(found: re.Match[str]) -> str:
        image, label, target = found.groups()
        if image:
            return f'<img alt="{label}" src="{target}">'
        return f'<a href="{target}">{label}</a>'

    return LINK.sub(tag, xhtml_escape(text))


def contents() -> str:
    """All pages of the documentation, in Markdown: by folder, with their titles."""
    lines = []
    for folder in ("tutorial", "how-to", "coming-from", "discussion", "reference", "."):
        lines.append(f"{folder if folder != '.' else 'more'}\n")
        for page in sorted((ROOT / "docs" / folder).glob("*.md")):
            heading = re.search(r"^# (.+)$", page.read_text("utf-8"), re.MULTILINE)
            title = heading[1] if heading else page.stem
            lines.append(f"  - [{title}]({page.relative_to(ROOT).as_posix()})")
        lines.append("")
    return "\n".join(lines)


class Shown(web.RequestHandler):
    """One file; without a name, what pages there are."""

    def get(self, name: str) -> None:
        if not name:
            self.render("shown.html", name="Documentation", body=linked(contents()))
            return
        file = find(name)
        if file is None:
            raise web.HTTPError(404)
        if file.suffix in PICTURES:
            self.set_header("Content-Type", mimetypes.guess_type(file.name)[0] or "image/png")
            self.write(file.read_bytes())
            return
        text = file.read_text("utf-8")
        body = linked(text) if file.suffix == ".md" else xhtml_escape(text)
        self.render("shown.html", name=name, body=body)
