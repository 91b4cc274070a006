"""What pyproject.toml cannot say: the project's addresses, and README as an index shows it.

All of it comes from one setting, `repository` in [tool.tornado-trio] of pyproject.toml. While it
is empty there are no addresses and no badges, and README's links become the paths they lead to.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

try:
    from hatchling.metadata.plugin.interface import MetadataHookInterface
except ImportError:  # tests read the functions where no build backend is
    MetadataHookInterface = object  # type: ignore[assignment,misc]

ROOT = Path(__file__).parent
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\]\([^)]*\))*)\]\(([^)#\s]+)(#[^)]*)?\)")
PLACE = re.compile(r"(?<=<!-- badges -->\n).*?(?=<!-- end of badges -->)", re.DOTALL)


def repository() -> str:
    """Where the project lives; "" while it has no address."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    address: str = settings["tool"]["tornado-trio"]["repository"]
    return address.rstrip("/")


def urls(address: str) -> dict[str, str]:
    if not address:
        return {}
    return {
        "Source": address,
        "Documentation": f"{address}/blob/main/docs/index.md",
        "Changelog": f"{address}/blob/main/CHANGELOG.md",
        "Issues": f"{address}/issues",
    }


def badges(address: str) -> str:
    """Of the workflow alone: what else a badge could say, no address of another host holds yet."""
    if not address:
        return ""
    workflow = f"{address}/actions/workflows/ci.yml"
    return f"[![CI]({workflow}/badge.svg?branch=main)]({workflow})\n"


def elsewhere(text: str, address: str, version: str) -> str:
    """README for readers who do not have the repository around it."""

    def absolute(found: re.Match[str]) -> str:
        image, label, target, anchor = found[1], found[2], found[3], found[4] or ""
        if "://" in target:
            return found[0]
        if address:
            kind = "raw" if image else "blob"
            return f"{image}[{label}]({address}/{kind}/v{version}/{target}{anchor})"
        return f"*{label}*" if image else f"{label} (`{target}`)"

    return LINK.sub(absolute, PLACE.sub(badges(address), text))


class CustomMetadataHook(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        address = repository()
        text = (ROOT / "README.md").read_text("utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": elsewhere(text, address, metadata["version"]),
        }
        metadata["urls"] = urls(address)
