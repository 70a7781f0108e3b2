"""PROF-002: so much garbage that the collector cannot rest, and whose it is."""

import msgspec

from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.allocation_storm import allocation_storm
from support.profiles import surveyed

STORM = surveyed(allocs={"harm.Allocate": 480 << 20, "store.Put": 20 << 20})


def test_who_allocates_is_named_with_the_rate() -> None:
    (finding,) = judged(allocation_storm, answered(STORM)).findings
    assert finding.title == "allocates 500 MiB per second, 96 % of it in harm.Allocate (harm.go:7)"
    assert finding.evidence[0].value == 500 << 20
    assert finding.evidence[0].limit == 128 << 20


def test_what_requests_need_is_well() -> None:
    (verdict,) = judged(allocation_storm, answered(surveyed(allocs={"store.Put": 20 << 20}))).verdicts
    assert verdict.verdict is Verdict.CLEAR


def test_without_a_rate_it_is_blind() -> None:
    (verdict,) = judged(allocation_storm, answered(msgspec.structs.replace(STORM, alloc_bytes_per_s=None))).verdicts
    assert verdict.verdict is Verdict.BLIND
