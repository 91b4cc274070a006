from __future__ import annotations

import pytest

from .bare import Bare, make


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """See bare.py; made once, for blocks of pages and of docstrings."""
    return make(tmp_path_factory.mktemp("bare"))
