"""The C compiler: for a library of a test's own, and for Go programs that are built with -race."""

import os
import shutil

import pytest

__all__ = ["c_compiler"]


def c_compiler() -> str:
    """Its path. Without one the test is skipped with the reason; with ``CI=true`` it fails."""
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        words = "no C compiler here (Debian: apt install gcc libc6-dev)"
        if os.environ.get("CI", "").lower() in {"true", "1"}:
            pytest.fail(words)
        pytest.skip(words)
    return found
