"""MESH-008: coordinators with different settings are found, all of them; with the same they are clear."""

import msgspec

from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.coordinators_differ import coordinators_differ
from support.coordinators import WELL

OTHER = msgspec.structs.replace(WELL, settings="0ther")


def test_different_settings_are_found_at_each() -> None:
    said = judged(
        coordinators_differ,
        answered(WELL, at="mesh/c1"),
        answered(WELL, at="mesh/c2"),
        answered(OTHER, at="mesh/c3"),
    )
    (finding,) = said.findings
    assert (finding.code, finding.instances) == ("MESH-008", ("mesh/c1", "mesh/c2", "mesh/c3"))
    assert [(fact.at, fact.value) for fact in finding.evidence] == [
        ("mesh/c1", WELL.settings),
        ("mesh/c2", WELL.settings),
        ("mesh/c3", "0ther"),
    ]


def test_the_same_settings_and_one_alone_are_clear() -> None:
    same = [answered(WELL, at=f"mesh/c{number}") for number in (1, 2)]
    assert judged(coordinators_differ, *same).verdicts[0].verdict is Verdict.CLEAR
    assert judged(coordinators_differ, same[0]).verdicts[0].verdict is Verdict.CLEAR
