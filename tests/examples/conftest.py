"""As for `tests/compat`: no test leaves an IOLoop behind."""

import compat  # noqa: F401, I001 (first: it makes `tornado` ours)

from tests.compat.conftest import no_run_left_behind

__all__ = ["no_run_left_behind"]
