"""The wheel installs everything under our six names and nothing else."""

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from support.house import ROOT

PACKAGES = {
    "diagmesh",
    "diagmesh_rules",
    "diagmesh_agents",
    "diagmesh_coordinator",
    "diagmesh_cli",
    "diagmesh_lab",
}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built in a copy, so that nothing is written beside the sources."""
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for sources in ("shared", "services"):
        shutil.copytree(ROOT / sources, copy / sources, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=copy)
    (built,) = out.glob("*.whl")
    return built


def test_top_level_names(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES
    assert "diagmesh/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_every_module_of_the_tree_is_in_it(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(file.relative_to(ROOT / sources))
        for sources in ("shared", "services")
        for file in (ROOT / sources).rglob("*.py")
    }
    assert wanted - packed == set()


def test_it_installs_and_works_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    # Our dependencies come from this environment; its own .pth files, the editable one above all, do not count here.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path
    )
    home = run(python, "-c", "import diagmesh.serve, diagmesh_cli; print(diagmesh_cli.__file__)", cwd=tmp_path)
    assert Path(home.strip()).is_relative_to(site)
    assert "ask" in run(tmp_path / "venv" / "bin" / "diagmesh", "--help", cwd=tmp_path)
    kinds = run(python, "-c", "from diagmesh.packs import load_agents; print(*load_agents().agents)", cwd=tmp_path)
    assert {"health", "resources"} <= set(kinds.split())
