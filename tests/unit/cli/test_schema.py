"""The shipped schemas are those of the types, are valid themselves, and fit what really goes over the wire."""

import json
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from diagmesh.contract.answers.health import Check, Health, HealthQuestion, State, Verdict
from diagmesh.contract.codec import encode
from diagmesh.contract.mesh import Ended, Field, MeshAnswer, Silent
from diagmesh.contract.wire import Blind, Problem, Reply, Status
from diagmesh_cli.commands.schema import wire_schemas, write_schemas
from diagmesh_cli.main import run

SHIPPED = files("diagmesh") / "schemas"
NAMES = sorted(wire_schemas())


def shipped(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SHIPPED / f"{name}.json").read_bytes())
    return document


def validate(name: str, value: Any) -> None:
    Draft202012Validator(shipped(name), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def wire(value: Any) -> Any:
    return json.loads(encode(value))


def reply(answer: Any = None, **fields: Any) -> Reply:
    raw: Any = msgspec.Raw(encode(answer)) if answer is not None else msgspec.UNSET
    base = {"v": 1, "service": "orders", "instance": "i1", "kind": "health", "status": Status.ANSWERED, "answer": raw}
    return Reply(**{**base, **fields})


def test_the_shipped_schemas_are_those_of_the_types(tmp_path: Path) -> None:
    write_schemas(wire_schemas(), tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    there = {path.name: path.read_bytes() for path in SHIPPED.iterdir() if path.name.endswith(".json")}
    assert made.keys() == there.keys(), "run: diagmesh schema --write shared/diagmesh/schemas (and remove what is gone)"
    stale = [name for name in made if made[name] != there[name]]
    assert not stale, "run: diagmesh schema --write shared/diagmesh/schemas"


@pytest.mark.parametrize("name", NAMES)
def test_each_schema_is_valid_named_and_says_what_it_is(name: str) -> None:
    document = shipped(name)
    Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"] == f"urn:diagmesh:v1:{name}"
    assert document["title"]
    assert document["description"]


def test_every_agent_and_the_mesh_have_question_answer_and_reply() -> None:
    for kind in ("health", "resources", "mesh.services"):
        assert {f"{kind}.question", f"{kind}.answer", f"{kind}.reply"} <= set(NAMES)
    assert {"mesh.health.question", "mesh.answer", "mesh.reply", "reply", "heartbeat", "event"} <= set(NAMES)


def test_an_answered_health_fits() -> None:
    health = Health(
        state=State.DEGRADED,
        reason="healthz fails",
        restarts_seen=1,
        started_at=datetime(2026, 11, 23, 14, 2, tzinfo=UTC),
        uptime_s=3.5,
        checks=(Check(name="healthz", kind="http", verdict=Verdict.FAIL, required=False, took_ms=1.2),),
        blind=(Blind(what="a", why="b", fix="c"),),
    )
    validate("health.answer", wire(health))
    validate("health.reply", wire(reply(health, observed_at=datetime.now(UTC), took_ms=3.1)))


def test_a_problem_fits_and_a_reply_with_neither_does_not() -> None:
    problem = Problem(code=404, error="unknown kind", detail="x", hint="kinds: health")
    refusal = wire(reply(status=Status.DECLINED, problem=problem))
    validate("health.reply", refusal)
    validate("reply", refusal)
    with pytest.raises(ValidationError):
        validate("health.reply", wire(reply()))


def test_a_newer_version_may_say_more_in_a_reply_but_not_ask_more() -> None:
    health = Health(state=State.UP, reason="", restarts_seen=0)
    validate("health.reply", wire(reply(health)) | {"new": 1})
    validate("health.question", wire(HealthQuestion(probes=("a",), timeout_ms=500)))
    with pytest.raises(ValidationError, match="new"):
        validate("health.question", {"new": 1})


@pytest.mark.parametrize("value", [{"timeout_ms": 0}, {"detail": "loud"}, {"probes": 3}, {"limit": 0}])
def test_a_wrong_question_does_not_fit(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validate("mesh.health.question", value)


def test_a_sum_fits() -> None:
    answer = MeshAnswer(
        of="health",
        expected=2,
        answered=1,
        silent=(Silent(service="orders", instance="i2", reason="not connected: x", last_seen=datetime.now(UTC)),),
        by_status={"answered": 1, "silent": 1},
        fields={"state": Field(n=1, counts={"up": 1}, worst="up", worst_at=("orders/i1",))},
        ended=Ended.COMPLETE,
        each=(reply(Health(state=State.UP, reason="", restarts_seen=0)),),
    )
    validate("mesh.reply", wire(reply(answer, service="mesh", instance="c1")))
    question = {"services": ["orders"], "labels": {"zone": "a"}, "limit": 3, "each": True, "probes": False}
    validate("mesh.health.question", question)


def test_fields_carry_the_words_of_the_docstring_and_their_unit() -> None:
    properties = shipped("health.answer")["properties"]
    assert properties["uptime_s"]["x-unit"] == "s"
    assert properties["uptime_s"]["description"] == "seconds since then."
    question = shipped("health.question")["properties"]
    assert "the budget" in question["timeout_ms"]["description"]


def test_the_command_prints_one_kind_one_schema_or_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "health"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"question", "answer", "reply"}
    assert run(["schema", "mesh.answer"]) == 0
    assert json.loads(capsys.readouterr().out) == shipped("mesh.answer")
    assert run(["schema", "--json"]) == 0
    assert sorted(json.loads(capsys.readouterr().out)) == NAMES
    assert run(["schema"]) == 0
    assert "Answer: health of one instance" in capsys.readouterr().out


def test_an_unknown_schema_and_an_unwritable_directory_are_usage_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["schema", "nonsense"]) == 64
    assert f"no schema 'nonsense'; `diagmesh schema` lists them: {NAMES[0]}" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert run(["schema", "--write", str(tmp_path / "file" / "below")]) == 64
    assert "name another directory" in capsys.readouterr().err
