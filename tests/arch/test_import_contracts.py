"""The import contracts hold, and each of them bites: a violation planted in a copy of the tree is reported."""

import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest

from support.house import ROOT

LINT_IMPORTS = Path(sysconfig.get_path("scripts"), "lint-imports")

# Contract, file below the source roots (made where it does not exist), line that is added to it.
PLANTS = [
    ("agents, coordinator, cli, lab and rules never", "services/diagmesh_agents/planted.py", "import diagmesh_cli"),
    ("agents, coordinator, cli, lab and rules never", "shared/diagmesh_rules/planted.py", "import diagmesh_agents"),
    ("the library is layered", "shared/diagmesh/errors.py", "import diagmesh.settings"),
    ("the library is layered", "shared/diagmesh/contract/wire.py", "import diagmesh.gather"),
    ("the library is layered", "shared/diagmesh/homeless.py", '"""A module that has not chosen its place."""'),
    ("the contract and the rules do no I/O", "shared/diagmesh/contract/names.py", "import socket"),
    ("the contract and the rules do no I/O", "shared/diagmesh_rules/planted.py", "import time"),
    ("only the bus knows nats", "shared/diagmesh/serve.py", "import nats"),
    ("only the bus knows nats", "services/diagmesh_cli/planted.py", "import nats"),
    ("only adapters know psutil", "services/diagmesh_agents/planted.py", "import psutil"),
    ("only the reader of profiles knows protobuf", "services/diagmesh_cli/planted.py", "import google.protobuf"),
    ("only process knows uvloop", "services/diagmesh_coordinator/planted.py", "import uvloop"),
    ("the sidecar stays lean", "services/diagmesh_agents/planted.py", "import rich"),
    ("the sidecar stays lean", "shared/diagmesh/serve.py", "import numpy"),
]


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Check ``root`` against its own pyproject; its packages win over the installed ones."""
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--no-logo"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(root / "shared"), str(root / "services")))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def broken(output: str) -> list[str]:
    return re.findall(r"^(.*) BROKEN\b", output, flags=re.MULTILINE)


def contract_names() -> list[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return [one["name"] for one in tomllib.load(file)["tool"]["importlinter"]["contracts"]]


def copy_of_the_tree(to: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", to)
    for sources in ("shared", "services"):
        shutil.copytree(ROOT / sources, to / sources, ignore=shutil.ignore_patterns("__pycache__"))
    return to


def test_the_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(contract_names())} kept, 0 broken" in done.stdout


def test_every_contract_has_a_plant() -> None:
    unproven = [name for name in contract_names() if not any(name.startswith(start) for start, _, _ in PLANTS)]
    assert unproven == []


@pytest.mark.parametrize(("contract", "file", "line"), PLANTS)
def test_a_planted_violation_is_reported(tmp_path: Path, contract: str, file: str, line: str) -> None:
    root = copy_of_the_tree(tmp_path)
    with (root / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    done = lint(root)
    assert done.returncode == 1, done.stdout + done.stderr
    assert [name for name in broken(done.stdout) if name.startswith(contract)], done.stdout
