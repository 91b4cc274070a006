"""What the tests' own helpers promise."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.children import ending


def test_a_process_of_a_block_that_fails_is_not_waited_for() -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with pytest.raises(ZeroDivisionError), ending(subprocess.Popen(command)) as process:
        raise ZeroDivisionError
    assert process.returncode


def test_a_process_of_a_block_that_ends_is_waited_for() -> None:
    with ending(subprocess.Popen([sys.executable, "-c", ""])) as process:
        pass
    assert process.returncode == 0
