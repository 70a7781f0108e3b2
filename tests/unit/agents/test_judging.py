"""What the answers of one instance mean, by the rules and by the sidecar's settings."""

from typing import Any

import msgspec

from diagmesh.contract.answers.health import Check, Health, State, Verdict
from diagmesh.contract.answers.resources import ProcessState
from diagmesh.contract.codec import encode
from diagmesh.contract.wire import Reply, Status
from diagmesh.diagnose import Engine
from diagmesh.packs import load_rules
from diagmesh.settings import RuleSettings, TargetSettings
from diagmesh_agents._judging import judges_of

TARGET = TargetSettings(service="orders", instance="i1", labels={"env": "test"})


def codes(state: ProcessState, *rules: RuleSettings) -> list[str]:
    judge = judges_of(Engine(load_rules(), rules), TARGET)["health"]
    verdict = Verdict.FAIL if state is ProcessState.STOPPED else Verdict.PASS
    look = Check(name="process", kind="process", verdict=verdict, required=True)
    answer: Any = Health(
        state=State.UP, reason="r", pid=4711, process_state=state, restarts_seen=0, uptime_s=5000, checks=(look,)
    )
    raw = msgspec.Raw(encode(answer))
    reply = Reply(v=1, service="orders", instance="i1", kind="health", status=Status.ANSWERED, answer=raw)
    return [one.code for one in judge(reply)]


def test_an_answer_is_judged_by_the_rules_that_read_its_kind_alone() -> None:
    assert codes(ProcessState.STOPPED) == ["PROC-002"]
    assert codes(ProcessState.SLEEPING) == []


def test_the_settings_of_the_sidecar_hold_with_the_labels_of_the_target() -> None:
    quiet = RuleSettings(code="PROC-002", labels={"env": "test"}, suppress=True, why="we debug there")
    assert codes(ProcessState.STOPPED, quiet) == []
    elsewhere = RuleSettings(code="PROC-002", labels={"env": "live"}, suppress=True, why="x")
    assert codes(ProcessState.STOPPED, elsewhere) == ["PROC-002"]


def test_only_kinds_that_a_rule_reads_alone_have_a_judge() -> None:
    engine = Engine(load_rules())
    alone = {one.kinds[0] for one in engine.rules if len(one.kinds) == 1 and one.scope.value == "answer"}
    assert set(judges_of(engine, TARGET)) == alone
    assert judges_of(Engine(load_rules(), (), ("MESH-999",)), TARGET) == {}
