"""Wheels as users get them: built from a copy of a tree, installed offline into an environment of their own."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from support.house import ROOT

__all__ = ["Place", "build", "our_wheel", "run"]

_WAIT_S = 100


def run(*command: str | Path, cwd: Path, code: int = 0) -> str:
    """What a command prints; it must end with this code."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=_WAIT_S, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def build(project: Path, out: Path) -> Path:
    """The wheel of a project."""
    out.mkdir(parents=True, exist_ok=True)
    before = set(out.glob("*.whl"))
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=project)
    (built,) = set(out.glob("*.whl")) - before
    return built


def our_wheel(copy: Path, out: Path) -> Path:
    """The wheel of this tree, built in a copy, so that nothing is written beside the sources."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for sources in ("shared", "services"):
        shutil.copytree(ROOT / sources, copy / sources, ignore=shutil.ignore_patterns("__pycache__"))
    return build(copy, out)


class Place:
    """An environment that has what its wheels bring; what they depend on is borrowed from the one of the tests."""

    def __init__(self, folder: Path, *wheels: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.python = self.program("python")
        words = run(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
        self.site = Path(words.strip())
        # Its own .pth files, the editable one above all, do not count here.
        (self.site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        self.install(*wheels)

    def program(self, name: str) -> Path:
        """A program of the environment."""
        return self.folder / "venv" / "bin" / name

    def install(self, *wheels: Path) -> None:
        """Install wheels, and nothing else."""
        pip = (sys.executable, "-m", "pip", "--python", self.python)
        run(*pip, "install", "--quiet", "--no-deps", "--no-index", *wheels, cwd=self.folder)

    def diagmesh(self, *arguments: str | Path, code: int = 0) -> str:
        """What the command of this environment prints."""
        return run(self.program("diagmesh"), *arguments, cwd=self.folder, code=code)
