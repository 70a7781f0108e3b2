"""What CONTRIBUTING.md tells works: its examples are put into a copy of the tree, accepted there, and run."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Final

import pytest

from diagmesh.packs import AGENT_GROUP, RULE_GROUP, load_rules
from support.house import ROOT, agent_complaints, rule_complaints

TEXT: Final = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES: Final = dict(re.findall(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
RULE, AGENT = "host_overloaded", "age"
EXPECTED: Final = {
    f"shared/diagmesh_rules/{RULE}.py",
    f"shared/diagmesh_rules/{RULE}.md",
    f"tests/unit/rules/test_{RULE}.py",
    f"services/diagmesh_agents/{AGENT}.py",
    f"tests/unit/agents/test_{AGENT}.py",
}
COPIED: Final = ("shared", "services", "tests")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this tree with the files of the examples in it."""
    root = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    for name, text in FILES.items():
        assert not (root / name).exists(), f"{name} is there already: the example needs another name"
        (root / name).write_text(text, encoding="utf-8")
    return root


def run(tree: Path, *command: str) -> str:
    """What a command prints, with the packages of the copy in front of those that are installed."""
    path = os.pathsep.join(str(tree / sources) for sources in ("shared", "services"))
    done = subprocess.run(
        command,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def passes(tree: Path, *tests: str) -> None:
    said = run(tree, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert " passed" in said
    assert "skipped" not in said


def test_the_examples_are_these_files() -> None:
    assert set(FILES) == EXPECTED


def test_a_rule_costs_one_pair_of_files_and_one_test_file(tree: Path) -> None:
    passes(tree, f"tests/unit/rules/test_{RULE}.py", "tests/unit/rules/test_pages.py")
    shown = run(tree, sys.executable, "-m", "diagmesh_cli", "explain", "RES-900")
    assert shown.startswith("# RES-900 Host is overloaded")
    assert "`per_cpu_count`: 4.0" in shown
    assert "Host is overloaded" in run(tree, sys.executable, "-m", "diagmesh_cli", "explain")


def test_an_agent_costs_one_file_and_one_test_file(tree: Path) -> None:
    (command,) = re.findall(r"`diagmesh (schema --write [^`]+)`", TEXT)
    run(tree, sys.executable, "-m", "diagmesh_cli", *command.split())
    assert (tree / "shared/diagmesh/schemas" / f"{AGENT}.answer.json").is_file()
    passes(tree, f"tests/unit/agents/test_{AGENT}.py", "tests/unit/cli/test_schema.py")


def test_the_house_accepts_them(tree: Path) -> None:
    assert agent_complaints(tree) + rule_complaints(tree) == []
    passes(tree, "tests/arch/test_house.py")
    scripts = Path(sysconfig.get_path("scripts"))
    code = sorted(name for name in FILES if name.endswith(".py"))
    run(tree, str(scripts / "ruff"), "check", "--no-cache", *code)
    run(tree, str(scripts / "ruff"), "format", "--no-cache", "--check", *code)
    run(tree, str(scripts / "lint-imports"), "--no-cache", "--no-logo")
    run(tree, str(scripts / "mypy"), "--cache-dir", os.devnull, *code)


def test_the_verbs_and_folders_that_it_names_exist() -> None:
    verbs = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", TEXT)) <= verbs
    for folder in re.findall(r"`((?:shared|services|tests)/[\w/]+)`", TEXT):
        assert (ROOT / folder).is_dir(), folder


def test_its_entry_points_are_those_that_are_read() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    told = tomllib.loads(block)["project"]["entry-points"]
    acme = tomllib.loads((ROOT / "tests/data/packages/acme/pyproject.toml").read_text(encoding="utf-8"))
    assert told == acme["project"]["entry-points"]
    assert set(told) == {AGENT_GROUP, RULE_GROUP}


def test_no_rule_of_ours_has_a_number_that_is_for_others() -> None:
    ours = [code for code, rule in load_rules().rules.items() if rule.module.startswith("diagmesh_rules.")]
    assert ours
    assert [code for code in ours if int(code[-3:]) >= 900] == []
