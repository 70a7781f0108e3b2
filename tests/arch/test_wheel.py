"""The wheel installs everything under our six names and nothing else."""

import zipfile
from pathlib import Path

import pytest

from support.house import ROOT
from support.wheels import Place, our_wheel, run

PACKAGES = {
    "diagmesh",
    "diagmesh_rules",
    "diagmesh_agents",
    "diagmesh_coordinator",
    "diagmesh_cli",
    "diagmesh_lab",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return our_wheel(tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist"))


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
    assert {"diagmesh_cli/report/report.html.j2", "diagmesh_cli/report/report.css"} <= packed


def test_it_installs_and_works_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    place = Place(tmp_path, wheel)
    home = run(place.python, "-c", "import diagmesh.serve, diagmesh_cli; print(diagmesh_cli.__file__)", cwd=tmp_path)
    assert Path(home.strip()).is_relative_to(place.site)
    assert "ask" in place.diagmesh("--help")
    kinds = run(
        place.python, "-c", "from diagmesh.packs import load_agents; print(*load_agents().agents)", cwd=tmp_path
    )
    assert {"health", "resources"} <= set(kinds.split())
