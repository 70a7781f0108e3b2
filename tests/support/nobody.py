"""Runs a piece of Python as a user without rights; only root can do that."""

import os
import subprocess
import sys
from typing import Final

import pytest

__all__ = ["NOBODY", "as_nobody", "needs_root"]

NOBODY: Final = 65_534
needs_root: Final = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of other users")

_DROP: Final = f"import os; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"


def as_nobody(imports: str, body: str) -> str:
    """What the body prints. ``imports`` runs before the rights are dropped: the interpreter may be out of reach then.

    Raises:
        AssertionError: it failed, with what it said.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}\n{_DROP}{body}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
