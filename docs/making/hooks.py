"""What the site's maker does to pages: names of methods say whose they are."""

from __future__ import annotations

import re
from typing import Any

# A heading of the reference, and the name in it: <h3 id="pkg.module.Class.method" ...> ... name.
HEADING = re.compile(
    r'(<h\d id="(?P<path>[\w.]+)" class="doc doc-heading">.*?'
    r'<span class="doc doc-object-name[^"]*">)(?P<name>\w+)(?=</span>)',
    re.DOTALL,
)


def on_page_content(html: str, **_: Any) -> str:
    return HEADING.sub(lambda found: found[1] + qualified(found["path"]), html)


def qualified(path: str) -> str:
    """`Class.method` of `package.module.Class.method`; a class or a function by its name alone."""
    *_, owner, name = ["", *path.split(".")]
    return f"{owner}.{name}" if owner[:1].isupper() else name


def on_post_page(output: str, **_: Any) -> str:
    """The theme's dialog of the search has no name for those who cannot see it."""
    dialog = 'data-md-component="search"'
    return output.replace(dialog, f'{dialog} aria-label="Search"')
