"""The AsyncAPI document: valid by the official schema, whole, as generated. DIAGMESH_UPDATE_GOLDEN=1 writes it anew."""

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from diagmesh.contract.codec import encode
from diagmesh.contract.wire import Problem, Status
from diagmesh_cli.commands.schema import wire_schemas, write_schemas
from diagmesh_cli.exits import Exit
from diagmesh_cli.main import run
from support.crowd import reply
from support.golang import Go, GoMissing, without
from support.house import ROOT

KEPT: Final = ROOT / "deploy/protocol/asyncapi.json"
UPDATE: Final = bool(os.environ.get("DIAGMESH_UPDATE_GOLDEN"))
SCHEMAS: Final = (
    "github.com/asyncapi/spec-json-schemas/v6",
    "v6.11.1",
    "h1:TE0iIAOsYWnEGf78hSaWxtaXJZCHRfqX+x4Y2OMEunc=",
)
"""The official schemas are a Go module, too."""
NEWER_WORDS: Final = {"$defs", "prefixItems", "$dynamicRef", "dependentSchemas", "unevaluatedProperties"}
"""Of JSON Schema 2020-12; the schemas of AsyncAPI are of draft 7."""


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(KEPT.read_bytes())


@pytest.fixture(scope="module")
def official(go: Go) -> Draft7Validator:
    try:
        folder = go.module(*SCHEMAS)
    except GoMissing as error:
        without(error)
    return Draft7Validator(json.loads((folder / "schemas/3.0.0.json").read_bytes()))


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(part)


def at(document: Any, reference: str) -> Any:
    """What a reference points to."""
    found = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_it_is_kept_as_it_is_generated(tmp_path: Path) -> None:
    where = KEPT.parent if UPDATE else tmp_path
    assert run(["schema", "--asyncapi", "--write", str(where)]) == Exit.WELL
    assert (where / "asyncapi.json").read_bytes() == KEPT.read_bytes(), (
        "run: diagmesh schema --asyncapi --write deploy/protocol"
    )


def test_what_is_printed_and_what_is_written_are_the_same(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["schema", "--asyncapi"]) == Exit.WELL
    assert capfdbinary.readouterr().out == KEPT.read_bytes()


def test_the_official_schema_finds_nothing(official: Draft7Validator, document: Any) -> None:
    assert [f"{error.json_path}: {error.message}" for error in official.iter_errors(document)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("operations/answer.health.one/action", "answer"),
        ("operations/answer.health.one/channel", "health.one"),
        ("operations/answer.health.one/reply/messages", {}),
        ("channels/health.one/address", 7),
        ("components/messages/health.question/payload", 1),
        ("components/schemas/health.question/properties", []),
        ("info", {}),
    ],
)
def test_the_official_schema_would_find_a_fault(
    official: Draft7Validator, document: Any, path: str, value: Any
) -> None:
    broken = copy.deepcopy(document)
    above, _, name = path.rpartition("/")
    (at(broken, above) if above else broken)[name] = value
    assert not official.is_valid(broken)


def test_every_reference_leads_somewhere_and_nothing_newer_than_its_schemas_is_used(document: Any) -> None:
    references = [part["$ref"] for part in parts(document) if isinstance(part.get("$ref"), str)]
    assert len(references) > 100
    for reference in references:
        assert isinstance(at(document, reference), dict), reference
    assert not {word for part in parts(document["components"]["schemas"]) for word in part} & NEWER_WORDS


def test_operations_use_messages_of_their_own_channels(document: Any) -> None:
    for name, operation in document["operations"].items():
        for message in operation["messages"]:
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/"), name
        if "reply" in operation:
            (answer,) = operation["reply"]["messages"]
            assert answer["$ref"].startswith("#/channels/inbox/messages/"), name
    used = {operation["channel"]["$ref"].rpartition("/")[2] for operation in document["operations"].values()}
    assert used | {"inbox"} == document["channels"].keys(), "no channel that nobody uses"


def test_all_subjects_are_there(document: Any) -> None:
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses >= {
        *("diag.{service}.health", "diag.{service}.health.all", "diag.{service}.health.{instance}", "diag.all.health"),
        *("diag.mesh.health", "diag.mesh.health.{coordinator}", "diag.mesh.services", "diag.mesh.check"),
        *("diagctl.{service}.log-level.{instance}", "diagctl.mesh.forget.{coordinator}"),
        *("diagev.hb.{service}.{instance}", "diagev.ev.{service}.{kind}"),
        *("$SRV.PING", "$SRV.INFO.{name}", "$SRV.STATS.{name}.{id}"),
    }
    for channel in document["channels"].values():
        given = {name.strip("{}") for name in (channel["address"] or "").split(".") if name.startswith("{")}
        assert given == channel.get("parameters", {}).keys()


def test_every_schema_of_the_wire_is_a_component(document: Any) -> None:
    assert wire_schemas().keys() <= document["components"]["schemas"].keys()


@pytest.mark.parametrize(
    ("fits", "value"),
    [
        (True, reply(answer={"state": "up", "reason": "well", "restarts_seen": 0})),
        (True, reply(status=Status.DECLINED, problem=Problem(code=404, error="unknown kind"))),
        (False, reply(answer={"state": "rather well", "reason": "well", "restarts_seen": 0})),
        (False, reply()),
    ],
)
def test_its_schemas_mean_the_same_as_those_shipped(document: Any, fits: bool, value: Any, tmp_path: Path) -> None:
    write_schemas(wire_schemas(), tmp_path)
    body = json.loads(encode(value))
    shipped = Draft202012Validator(json.loads((tmp_path / "health.reply.json").read_bytes()))
    ours = Draft7Validator({"$ref": "#/components/schemas/health.reply", "components": document["components"]})
    assert (ours.is_valid(body), shipped.is_valid(body)) == (fits, fits)


def test_one_document_is_not_one_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "health", "--asyncapi"]) == Exit.USAGE
    assert "leave out 'health'" in capsys.readouterr().err
    assert run(["schema", "--asyncapi"]) == Exit.WELL
    assert json.loads(capsys.readouterr().out)["asyncapi"] == "3.0.0"
