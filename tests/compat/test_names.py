"""`_impl/names.py`: what a module hands on from elsewhere."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

import importlib
import importlib.util

import pytest
from tornado._impl.names import ELSEWHERE

NAMES = [(module, name) for module, names in ELSEWHERE.items() for name in names]
TWISTED = importlib.util.find_spec("twisted") is not None


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_name_is_found(module: str, name: str) -> None:
    if module == "tornado.platform.twisted" and not TWISTED:
        pytest.skip("needs Twisted")
    found = getattr(importlib.import_module(module), name)
    home, colon, attribute = ELSEWHERE[module][name].partition(":")
    there = importlib.import_module(home)
    assert found is (there if colon and not attribute else getattr(there, attribute or name))


@pytest.mark.parametrize("module", sorted(ELSEWHERE))
def test_no_other_name_is(module: str) -> None:
    if module == "tornado.platform.twisted" and not TWISTED:
        pytest.skip("needs Twisted")
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute 'no_such_name'"):
        importlib.import_module(module).no_such_name  # noqa: B018 - asking is the point
