"""The rules of the house that no linter knows: what stands beside an agent or a rule, and who may know whom."""

import ast
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "agent_complaints", "rule_complaints"]

ROOT: Final = Path(__file__).resolve().parents[2]
"""The checkout."""


def agent_complaints(root: Path) -> list[str]:
    """What is wrong with the files of the agents below ``root``: one line each, empty when all is well."""
    said: list[str] = []
    for file in _modules(root / "services" / "diagmesh_agents"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        said += _common_complaints(file, tree, root / "tests" / "unit" / "agents")
        said += _missing_function(file, tree, "agent", ast.AsyncFunctionDef)
    return said


def rule_complaints(root: Path) -> list[str]:
    """The same for rules, which also have their finding page beside them."""
    said: list[str] = []
    for file in _modules(root / "shared" / "diagmesh_rules"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        said += _common_complaints(file, tree, root / "tests" / "unit" / "rules")
        said += _missing_function(file, tree, "rule", ast.FunctionDef)
        if not file.with_suffix(".md").is_file():
            said.append(f"{file.name}: its finding page {file.stem}.md is missing")
    return said


def _modules(package: Path) -> list[Path]:
    return sorted(file for file in package.glob("*.py") if not file.name.startswith("_"))


def _common_complaints(file: Path, tree: ast.Module, tests: Path) -> list[str]:
    said: list[str] = []
    kind = file.stem.replace("_", "-")
    if not (ast.get_docstring(tree) or "").startswith(f"{kind}: "):
        said.append(f"{file.name}: its docstring must begin with '{kind}: ' and say what it tells the operator")
    if not (tests / f"test_{file.stem}.py").is_file():
        said.append(f"{file.name}: tests/unit/{tests.name}/test_{file.stem}.py is missing")
    said += [f"{file.name}: imports its neighbour {name}" for name in _neighbours(file, tree)]
    return said


def _neighbours(file: Path, tree: ast.Module) -> list[str]:
    """Other agents (or rules) that this one imports; private modules of the pack are no neighbours."""
    others = {f"{file.parent.name}.{other.stem}" for other in _modules(file.parent) if other != file}
    known: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            known |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return sorted(known & others)


def _missing_function(
    file: Path, tree: ast.Module, decorator: str, form: type[ast.AsyncFunctionDef] | type[ast.FunctionDef]
) -> list[str]:
    declared = [
        node
        for node in tree.body
        if isinstance(node, form) and any(_called(one) == decorator for one in node.decorator_list)
    ]
    if [node.name for node in declared] != [file.stem]:
        names = ", ".join(node.name for node in declared) or "none"
        return [f"{file.name}: declares {names} with @{decorator}, must be exactly {file.stem}"]
    if ast.get_docstring(declared[0]) is None:
        return [f"{file.name}: {file.stem} has no docstring"]
    return []


def _called(node: ast.expr) -> str:
    function = node.func if isinstance(node, ast.Call) else node
    return function.id if isinstance(function, ast.Name) else ""
