"""One agent or rule per file, with everything that must stand beside it."""

from pathlib import Path

import pytest

from diagmesh.packs import load_agents
from support.house import ROOT, agent_complaints, rule_complaints

GOOD_AGENT = '''"""pulse: whether the neighbour has one."""

from diagmesh import Nothing, Target, agent


@agent()
async def pulse(question: Nothing, target: Target) -> Pulse:
    """Feel it."""
'''
GOOD_RULE = '''"""no_pulse: it has none."""


@rule("PROC-001", "No pulse")
def no_pulse(seen: Evidence) -> None:
    """Look at it."""
'''.replace("no_pulse:", "no-pulse:")


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


def test_every_agent_is_in_order() -> None:
    assert agent_complaints(ROOT) == []


def test_every_rule_is_in_order() -> None:
    assert rule_complaints(ROOT) == []


def test_kind_is_the_file_name_and_nothing_is_broken() -> None:
    pack = load_agents()
    assert pack.broken == ()
    assert {"health", "resources"} <= set(pack.agents)
    for kind, spec in pack.agents.items():
        assert spec.look.__module__ == f"diagmesh_agents.{kind.replace('-', '_')}"
        assert spec.look.__name__ == kind.replace("-", "_")
        assert spec.tells.endswith((".", "?")), f"{kind}: its docstring begins with a sentence for the operator"


AGENT, AGENT_TEST = "services/diagmesh_agents/pulse.py", "tests/unit/agents/test_pulse.py"
RULE, RULE_TEST, RULE_PAGE = (
    "shared/diagmesh_rules/no_pulse.py",
    "tests/unit/rules/test_no_pulse.py",
    "shared/diagmesh_rules/no_pulse.md",
)


def test_a_good_agent_and_a_good_rule_pass(tmp_path: Path) -> None:
    plant(tmp_path, {AGENT: GOOD_AGENT, AGENT_TEST: "", RULE: GOOD_RULE, RULE_TEST: "", RULE_PAGE: ""})
    assert agent_complaints(tmp_path) + rule_complaints(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"""pulse: whether', '"""Whether', "its docstring must begin with 'pulse: '"),
        ("async def pulse", "async def beat", "declares beat with @agent, must be exactly pulse"),
        ("async def pulse", "def pulse", "declares none with @agent"),
        ("@agent()", "@staticmethod", "declares none with @agent"),
        ('    """Feel it."""', "    return None", "pulse has no docstring"),
        ("from diagmesh import", "from diagmesh_agents.other import x\nfrom diagmesh import", "imports its neighbour"),
        ("from diagmesh import", "from diagmesh_agents import other\nfrom diagmesh import", "imports its neighbour"),
    ],
)
def test_a_bad_agent_is_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in GOOD_AGENT
    other = GOOD_AGENT.replace("pulse", "other")
    plant(tmp_path, {AGENT: GOOD_AGENT.replace(old, new), AGENT_TEST: ""})
    plant(tmp_path, {"services/diagmesh_agents/other.py": other, "tests/unit/agents/test_other.py": ""})
    said = agent_complaints(tmp_path)
    assert len(said) == 1
    assert complaint in said[0]
    assert said[0].startswith("pulse.py: ")


@pytest.mark.parametrize("missing", [RULE_TEST, RULE_PAGE])
def test_what_a_rule_lacks_is_named(tmp_path: Path, missing: str) -> None:
    files = {RULE: GOOD_RULE, RULE_TEST: "", RULE_PAGE: ""}
    del files[missing]
    said = rule_complaints(plant(tmp_path, files))
    assert len(said) == 1
    assert Path(missing).name in said[0]


def test_an_agent_without_its_test_is_named(tmp_path: Path) -> None:
    said = agent_complaints(plant(tmp_path, {AGENT: GOOD_AGENT}))
    assert said == ["pulse.py: tests/unit/agents/test_pulse.py is missing"]
