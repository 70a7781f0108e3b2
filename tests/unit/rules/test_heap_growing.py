"""GO-004: a live heap that grows is found with its limit; what is small, slow, released or ending is clear."""

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.profile import Row
from diagmesh.contract.answers.resources import ToLimit, Trend
from diagmesh.contract.answers.runtime import Grown, Limit, Rates, Runtime
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged, refused
from diagmesh_rules.heap_growing import heap_growing
from support.ruling import RUNS, codes, found, judge, verdict

MIB = 1 << 20


def trend(low: float = MIB, over_s: float = 300.0, likely_s: float | None = 3600.0, **more: float) -> Trend:
    until = None
    if likely_s is not None:
        until = ToLimit(
            limit="GOMEMLIMIT",
            headroom=likely_s * MIB,
            earliest_s=likely_s,
            likely_s=likely_s,
            latest_s=likely_s,
        )
    return Trend(slope=MIB, slope_low=low, slope_high=MIB, over_s=over_s, samples=40, to_limit=until, **more)


def grown(one: Trend | None, **heap: int | None) -> Runtime:
    return replace(RUNS, heap=replace(RUNS.heap, trend=one, **heap))


@pytest.mark.parametrize(("likely_s", "severity"), [(7200.0, Severity.WARNING), (900.0, Severity.ERROR)])
def test_it_is_found_with_the_time_left(likely_s: float, severity: Severity) -> None:
    diagnosis = judge([grown(trend(likely_s=likely_s))])
    assert codes(diagnosis) == ["GO-004"]
    finding = found(diagnosis, "GO-004")
    assert finding.severity is severity
    assert finding.title.startswith("live heap grows by 60 MiB/min, GOMEMLIMIT met in ")
    assert {fact.what: fact.value for fact in finding.evidence}["goroutines"] == 40


@pytest.mark.parametrize(
    "answer",
    [
        grown(trend(likely_s=1e6)),
        grown(trend(likely_s=None)),
        grown(trend(low=-1.0)),
        grown(trend(low=0.03 * MIB)),
        grown(trend(late_slope=0.4 * MIB)),
        grown(trend(), live_most_bytes=80 * MIB),
        grown(trend(), live_bytes=9 * MIB, live_most_bytes=9 * MIB, in_use_bytes=15 * MIB),
        grown(None, live_bytes=None, in_use_bytes=3 * MIB),
        grown(trend(low=0.05 * MIB, over_s=10.0)),
        grown(trend(over_s=10.0, likely_s=1e6)),
    ],
    ids=["far", "very far", "no", "hardly", "ends", "released", "small", "tiny", "short and hardly", "short and far"],
)
def test_little_growth_and_growth_that_ends_is_clear(answer: Runtime) -> None:
    assert verdict(judge([answer]), "GO-004").verdict is Judged.CLEAR


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (grown(None), "too few looks"),
        (replace(grown(None, live_bytes=None), gc=replace(RUNS.gc, off=True)), "GOGC is off"),
        (replace(grown(None, live_bytes=None), memory=Limit(soft_bytes=100 * MIB)), "near its memory limit"),
        (grown(None, live_bytes=None), "do not tell what survives"),
        (replace(grown(trend(likely_s=None)), memory=Limit()), "no limit of it"),
        (grown(trend(over_s=30.0)), "watched for less than 60 s"),
    ],
)
def test_what_cannot_be_told_is_blind_with_the_reason(answer: Runtime, why: str) -> None:
    one = verdict(judge([answer]), "GO-004")
    assert (one.verdict, one.again_in_s) == (Judged.BLIND, None)
    assert why in one.not_judged[0].why


@pytest.mark.parametrize(
    ("one", "again_in_s"), [(None, 5.0), (trend(low=0.9 * MIB, over_s=20.0), 40.0)], ids=["few samples", "a start"]
)
def test_what_time_alone_will_tell_is_too_young(one: Trend | None, again_in_s: float) -> None:
    young = replace(grown(one), rates=Rates(over_s=20.0, samples=4, watched_s=20.0))
    said = verdict(judge([young]), "GO-004")
    assert (said.verdict, said.again_in_s) == (Judged.BLIND, again_in_s)


def by(*shares: float) -> Runtime:
    rows = tuple(
        Row(
            function=f"example.com/shop/cart.keep{at}",
            file="/src/cart.go",
            line=31 + at,
            flat=at,
            cum=at,
            flat_share=one,
        )
        for at, one in enumerate(shares)
    )
    growing = grown(trend())
    return replace(
        growing, heap=replace(growing.heap, grown=Grown(age_s=3, over_s=40, grown_bytes=40 * MIB, rows=rows))
    )


def test_it_says_what_allocates_it() -> None:
    finding = found(judge([by(0.9, 0.1)]), "GO-004")
    assert finding.title.endswith("; 90 % of it allocated in cart.keep0 (cart.go:31)")
    facts = {fact.what: fact.value for fact in finding.evidence}
    assert facts["grown in 40 s between two heap profiles"] == 40 * MIB
    assert (facts["of that, cart.keep1 (cart.go:32)"], facts["at"]) == (0.1, "/src/cart.go:31")
    assert facts["function"] == "example.com/shop/cart.keep0"
    assert not [line for line in finding.advice.now if "--base previous: what grew" in line]


def test_where_nobody_stands_out_nobody_is_named() -> None:
    assert "allocated in" not in found(judge([by(0.2, 0.2, 0.2)]), "GO-004").title


def test_where_no_profile_was_seen_it_says_how_to_get_one() -> None:
    finding = found(judge([grown(trend())]), "GO-004")
    assert "allocated in" not in finding.title
    assert finding.advice.now[0].startswith("diagmesh profile orders/i1 --type heap, and in some minutes")


def test_the_thresholds_can_be_set() -> None:
    small = answered(grown(trend(low=0.03 * MIB)))
    lower = RuleSettings(code="GO-004", limits={"grown_bytes": MIB, "grown_share": 0.01})
    assert [one.code for one in judged(heap_growing, small, settings=[lower]).findings] == ["GO-004"]


def test_an_instance_without_go_pages_has_nothing_to_be_judged() -> None:
    none = refused(Runtime, at="orders/i2")
    assert none.problem is not None
    absent = replace(none, problem=replace(none.problem, code=501))
    (one,) = judged(heap_growing, answered(RUNS), absent).verdicts
    assert (one.verdict, one.judged) == (Judged.CLEAR, ("orders/i1",))
    assert [(missing.instance, missing.not_here) for missing in one.not_judged] == [("orders/i2", True)]
