"""What is kept: nothing lies in the tree that a command has left there."""

import subprocess
from fnmatch import fnmatch

from support.house import ROOT

KEPT = {
    *(".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "pyproject.toml"),
    *("deploy", "services", "shared", "tests"),
}


def at_the_top() -> set[str]:
    """What is kept, as git tells it; where this is no clone, whatever lies there and would be kept."""
    if not (ROOT / ".git").exists():
        ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
        return {
            one.name for one in ROOT.iterdir() if not any(fnmatch(one.name, pattern.rstrip("/")) for pattern in ignored)
        }
    command = ["git", "ls-files", "-z"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    return {name.partition("/")[0] for name in told.stdout.split("\0") if name}


def test_at_the_top_there_is_what_belongs_there() -> None:
    top = at_the_top()
    assert {name for name in top if not name.endswith(".lock")} == KEPT
