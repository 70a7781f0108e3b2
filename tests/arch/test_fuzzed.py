"""Whatever takes apart what others wrote has a fuzz target: no decoder is forgotten."""

import ast
from pathlib import Path
from typing import Final

import pytest

from fuzz.table import NOT_FUZZED, TARGETS

_ROOT: Final = Path(__file__).parents[2]
_PLACES: Final = (
    "shared/diagmesh",
    "services/diagmesh_agents",
    "services/diagmesh_coordinator",
    "services/diagmesh_cli",
)
_CALLS: Final = frozenset({"json.decode", "json.Decoder", "json.loads", "orjson.loads", "tomllib.loads", "re.compile"})
_NAMES: Final = ("decode", "parse", "read_seed")


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(_ROOT).with_suffix("").parts[1:]).removesuffix(".__init__")


def decodes(tree: ast.Module) -> set[str]:
    """What in a module takes apart text or bytes: functions named so, and calls of parsers and patterns."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.lstrip("_").startswith(_NAMES):
            found.add(node.name)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found |= {called for call in _CALLS if called.endswith(call)}
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "int" and "split" in ast.unparse(node):
            found.add(ast.unparse(node))
    return found


def decoders() -> dict[str, set[str]]:
    files = [file for place in _PLACES for file in (_ROOT / place).rglob("*.py")]
    found = {module_of(file): decodes(ast.parse(file.read_text(encoding="utf-8"))) for file in files}
    return {module: what for module, what in found.items() if what}


def test_every_decoder_has_a_target_or_a_reason() -> None:
    covered = {module for target in TARGETS.values() for module in target.covers}
    assert decoders().keys() - covered - NOT_FUZZED.keys() == set()


def test_what_is_named_is_there_and_no_excuse_is_needless() -> None:
    covered = {module for target in TARGETS.values() for module in target.covers}
    modules = {module_of(file) for place in _PLACES for file in (_ROOT / place).rglob("*.py")}
    assert covered - modules == set()
    assert NOT_FUZZED.keys() - decoders().keys() == set()
    assert NOT_FUZZED.keys() & covered == set()


@pytest.mark.parametrize(
    "text", ["import re\nX = re.compile('a')", "def parse_x(a): ...", "import json\njson.loads('')"]
)
def test_a_new_decoder_would_be_seen(text: str) -> None:
    assert decodes(ast.parse(text))
