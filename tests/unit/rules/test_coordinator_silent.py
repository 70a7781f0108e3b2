"""MESH-006: a coordinator that is silent, gone or lacking is found; with all there it is clear."""

import msgspec
import pytest

from diagmesh.contract.directory import Services
from diagmesh.contract.mesh import Ended, Silent
from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.coordinator_silent import coordinator_silent
from support.coordinators import WELL
from support.replies import NOW

HUNG = Silent(
    service="mesh",
    instance="c2",
    reason="connected but silent: it is hung, frozen or overloaded",
    last_seen=NOW,
)
GONE = msgspec.structs.replace(HUNG, reason="not connected: it is not connected to NATS")
UNKNOWN = msgspec.structs.replace(HUNG, reason="unknown: this role may not ask the server")


@pytest.mark.parametrize(
    ("silent", "title"),
    [
        (HUNG, "it is connected, but does not answer: its share of the questions waits until another one is asked"),
        (GONE, "it is not connected to NATS: the others answer alone"),
    ],
)
def test_one_that_does_not_answer_is_found(silent: Silent, title: str) -> None:
    said = judged(coordinator_silent, answered(WELL, at="mesh/c1"), silent=[silent])
    (finding,) = said.findings
    assert (finding.code, finding.title, finding.instances) == ("MESH-006", title, ("mesh/c2",))
    assert [fact.value for fact in finding.evidence] == [silent.reason, "2026-03-04T05:06:07Z"]
    assert said.verdicts[0].judged == ("mesh/c1", "mesh/c2")
    assert finding.advice is not None
    assert finding.advice.now[0] == "ask one that answers: `nats req diag.mesh.health.c1 ''`"
    assert not any("health.c2" in line for line in finding.advice.now), "nobody is sent to the silent one"


def test_where_nobody_knows_whether_it_is_connected_that_is_blind() -> None:
    said = judged(coordinator_silent, answered(WELL, at="mesh/c1"), silent=[UNKNOWN])
    assert said.findings == ()
    assert [one.instance for one in said.verdicts[0].not_judged] == ["mesh/c2"]


def test_a_declared_one_that_is_missing_is_found_once_there_was_time_to_hear_it() -> None:
    directory = Services(coordinators_declared=2, coordinators_lacking=1)
    (finding,) = judged(coordinator_silent, answered(WELL, at="mesh/c1"), directory=directory).findings
    assert finding.title == "1 of 2 declared coordinators is missing: never heard of, or left"
    warming = msgspec.structs.replace(directory, ended=Ended.WARMING)
    said = judged(coordinator_silent, answered(WELL, at="mesh/c1"), directory=warming)
    assert (said.findings, said.verdicts[0].verdict) == ((), Verdict.BLIND)


def test_all_there_is_clear_and_nobody_asked_is_blind() -> None:
    replies = [answered(WELL, at="mesh/c1"), answered(WELL, at="mesh/c2")]
    assert judged(coordinator_silent, *replies, directory=Services()).verdicts[0].verdict is Verdict.CLEAR
    assert judged(coordinator_silent).verdicts[0].verdict is Verdict.BLIND
