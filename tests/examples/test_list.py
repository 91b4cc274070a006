"""The list of examples is complete, and each example says what it is."""

import ast
from pathlib import Path

from .programs import EXAMPLES

PARTS = {"board/store.py"}  # of other programs
PARTS |= {f"orders/{name}.py" for name in ("__init__", "app", "db", "handlers", "live", "state")}
PARTS |= {"demo/__init__.py", "demo/pages.py", "demo/waiting.py"}


def test_each_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for path in sorted(EXAMPLES.rglob("*.py")):
        name = str(path.relative_to(EXAMPLES))
        assert f"`{name}`" in listed or name in PARTS, name
        described = ast.get_docstring(ast.parse(path.read_text()))
        assert described, name
        if name not in PARTS:
            assert f"examples/{name}" in described, f"{name} does not say how to run it"


def test_each_example_has_a_test() -> None:
    """By its path, or for a package its module's name; this list of names is no test of them."""
    here = Path(__file__)
    texts = [f.read_text() for f in here.parent.glob("*.py") if f != here]
    for path in EXAMPLES.rglob("*.py"):
        name = str(path.relative_to(EXAMPLES))
        spoken = f"examples.{path.parent.name}" if path.name == "__main__.py" else name
        assert name in PARTS or any(f'"{spoken}"' in text for text in texts), name


def test_commands_name_options_first() -> None:
    """What follows another argument is no option any more: `parse_command_line` stops there."""
    for path in sorted(EXAMPLES.rglob("*.py")):
        for line in (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines():
            _, script, arguments = line.partition(f"{path.name} ")
            options = [word.startswith("--") for word in arguments.partition("#")[0].split()]
            if script and line.lstrip().startswith("python"):
                assert options == sorted(options, reverse=True), line
