"""What is kept: nothing lies in the tree that a command has left there."""

import subprocess

import pytest

from support.house import ROOT

KEPT = {
    *(".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "pyproject.toml"),
    *("deploy", "services", "shared", "tests"),
}


def test_at_the_top_there_is_what_belongs_there() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone: nobody tells what is kept")
    command = ["git", "ls-files", "-z"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    top = {name.partition("/")[0] for name in told.stdout.split("\0") if name}
    assert {name for name in top if not name.endswith(".lock")} == KEPT
