"""Packs: scanned packages, broken modules listed, the same kind twice refused."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from diagmesh.contract.wire import Answer, Nothing
from diagmesh.declare import agent
from diagmesh.errors import SettingsError
from diagmesh.packs import load_agents

AGENT = '''
from typing import Any
from diagmesh import Answer, Nothing, agent

class Seen(Answer, frozen=True, kw_only=True, gc=False):
    """What was seen."""
    n: int

@agent()
async def {name}(question: Nothing, target: Any) -> Seen:
    """Count something."""
    return Seen(n=1)
'''

MakePack = Callable[[str, dict[str, str]], EntryPoint]


@pytest.fixture
def make_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePack]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def make(package: str, modules: dict[str, str]) -> EntryPoint:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        for name, text in modules.items():
            (tmp_path / package / f"{name}.py").write_text(textwrap.dedent(text))
        return EntryPoint(package, package, "diagmesh.agents")

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_the_builtin_agents_are_found() -> None:
    pack = load_agents()
    assert {"health", "resources"} <= set(pack.agents)
    assert pack.broken == ()


def test_a_broken_module_is_listed_and_the_rest_served(make_pack: MakePack) -> None:
    point = make_pack(
        "third_party",
        {
            "queue_depth": AGENT.format(name="queue_depth"),
            "bad": "import no_such_thing",
            "_private": "raise RuntimeError",
        },
    )
    pack = load_agents([point])
    assert set(pack.agents) == {"queue-depth"}
    (broken,) = pack.broken
    assert broken.module == "third_party.bad"
    assert "no_such_thing" in broken.reason
    assert broken.kind == "bad"


def test_a_missing_package_is_listed(make_pack: MakePack) -> None:
    pack = load_agents([EntryPoint("gone", "no_such_package", "diagmesh.agents")])
    assert pack.agents == {}
    assert pack.broken[0].module == "no_such_package"


def test_the_same_kind_twice_names_both(make_pack: MakePack) -> None:
    points = [make_pack(name, {"depth": AGENT.format(name="depth")}) for name in ("first", "second")]
    with pytest.raises(SettingsError, match=r"'depth' is declared twice: by first\.depth and by second\.depth"):
        load_agents(points)


def plain(question: Nothing, target: Any) -> Answer:
    """Not async."""
    return Answer()


async def no_docstring(question: Nothing, target: Any) -> Answer:
    return Answer()


async def no_question(question: int, target: Any) -> Answer:
    """Its question is no Question."""
    return Answer()


async def no_answer(question: Nothing, target: Any) -> int:
    """Its answer is no Answer."""
    return 1


async def three(question: Nothing, target: Any, more: int) -> Answer:
    """Takes too much."""
    return Answer()


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (plain, "async"),
        (no_docstring, "docstring"),
        (no_question, "Question type"),
        (no_answer, "Answer type"),
        (three, r"takes \(question, target\)"),
    ],
)
def test_a_wrong_declaration_says_what_is_missing(function: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        agent()(function)


def test_an_agent_without_budget_is_none() -> None:
    with pytest.raises(TypeError, match="budget"):
        agent(budget=0)
