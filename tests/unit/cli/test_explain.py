"""`diagmesh explain`: the list, and a page with its thresholds; without a mesh."""

import json
from typing import Any

import pytest

from diagmesh.packs import load_rules
from diagmesh_cli.commands.check import question_of
from diagmesh_cli.main import run

PACK = load_rules()


def test_the_list_has_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain"]) == (1 if PACK.broken else 0)
    shown = capsys.readouterr().out
    assert PACK.rules
    assert all(code in shown for code in PACK.rules)


@pytest.mark.parametrize("code", sorted(PACK.rules))
def test_each_page_is_shown_as_it_is_with_its_thresholds(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", code.lower()]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(PACK.pages[code].text.rstrip())
    assert run(["explain", code, "--json"]) == 0
    explained: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (explained["code"], explained["page"]) == (code, PACK.pages[code].text)
    assert explained["reads"] == list(PACK.rules[code].kinds)
    assert all(f"- `{name}`: " in shown for name in explained.get("limits", {}))


def test_a_code_that_does_not_exist_is_a_usage_error_with_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "nonsense"]) == 64
    said = capsys.readouterr().err
    assert "there is no rule 'nonsense'; there are: " in said
    assert all(code in said for code in PACK.rules)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("proc-2", "PROC-002"),
        ("Proc_02", "PROC-002"),
        ("proc 2", "PROC-002"),
        ("PROC0002", "PROC-002"),
        ("PORC-002", "PROC-002"),
        ("crashed", "PROC-007"),
        ("memory-growing", "RES-004"),
        ("cpu_saturatd", "RES-001"),
        ("mesh", "MESH-001 or MESH-002"),
    ],
)
def test_a_code_near_one_is_proposed(given: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", given]) == 64
    assert f"did you mean {meant}" in capsys.readouterr().err


def test_a_target_becomes_a_selection() -> None:
    assert question_of("", ("res",)).codes == ("RES",)
    assert (question_of("orders", ()).services, question_of("orders", ()).instances) == (("orders",), ())
    one = question_of("orders/i1", ())
    assert (one.services, one.instances) == (("orders",), ("orders/i1",))
