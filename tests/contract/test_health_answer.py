"""The `health` answer as other languages read it: a change of a name or a meaning must be seen here first."""

import json
from pathlib import Path

import msgspec

from diagmesh.contract.answers.health import ExitReason, Health, State, Verdict

GOLDEN = Path(__file__).parent / "data" / "health.json"
LAUNCHED = Path(__file__).parent / "data" / "health_launched.json"


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


def test_the_ways_of_ending_are_those_that_something_tells_apart() -> None:
    told = ["unknown", "clean", "exit", "panic", "fatal-error", "signal", "oom-kill"]
    assert [reason.value for reason in ExitReason] == told


def test_the_end_of_a_launched_service_is_read_and_written_as_it_stands() -> None:
    text = LAUNCHED.read_bytes()
    last = msgspec.json.decode(text, type=Health).last_exit
    assert last is not None
    assert (last.reason, last.code, last.uptime_s) == (ExitReason.PANIC, 2, 8.314)
    assert last.last_words.startswith("panic: ")
    assert json.loads(msgspec.json.encode(msgspec.json.decode(text, type=Health))) == json.loads(text)
