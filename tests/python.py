"""A Python process of its own, with this tree on its path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def python(
    *command: str | Path, cwd: Path | None = None, seconds: float = 60, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the interpreter with these arguments, and wait for its end; `environ` is added."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
