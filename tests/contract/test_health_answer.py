"""The `health` answer as other languages read it: a change of a name or a meaning must be seen here first."""

import json
from pathlib import Path

import msgspec

from diagmesh.contract.answers.health import ExitReason, Health, State, Verdict

GOLDEN = Path(__file__).parent / "data" / "health.json"


def test_the_golden_sample_is_read_and_written_as_it_stands() -> None:
    text = GOLDEN.read_bytes()
    answer = msgspec.json.decode(text, type=Health)
    assert answer.state is State.DOWN
    assert [check.verdict for check in answer.checks] == [Verdict.FAIL, Verdict.BLIND, Verdict.PASS, Verdict.PASS]
    assert json.loads(msgspec.json.encode(answer)) == json.loads(text)


def test_a_field_of_a_newer_version_is_ignored() -> None:
    newer = json.loads(GOLDEN.read_bytes()) | {"mood": "cheerful"}
    assert msgspec.convert(newer, Health).state is State.DOWN


def test_states_are_ranked_best_first_and_unknown_is_worse_than_degraded() -> None:
    assert [state.value for state in State] == ["up", "degraded", "unknown", "down"]


def test_no_way_of_ending_is_promised_that_nothing_tells_apart() -> None:
    assert [reason.value for reason in ExitReason] == ["unknown"]
