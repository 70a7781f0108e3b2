"""GO-005: a collector that takes much is found with its cause; what is rare, cheap or short is not."""

import pytest
from msgspec.structs import replace

from diagmesh.contract.answers.runtime import Limit, Rates, Runtime
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged
from diagmesh_rules.gc_pressure import gc_pressure
from support.ruling import RUNS, codes, found, judge, verdict

MIB = 1 << 20
NEAR = Limit(soft_bytes=100 * MIB, limited=True, used_bytes=99 * MIB, share_of_soft=0.99)


def busy(memory: Limit = RUNS.memory, rates: Rates = RUNS.rates, **gc: float | None) -> Runtime:
    usual: dict[str, float | None] = {"cpu_share": 0.3, "cpu_cores": 0.5, "cycles_per_s": 20.0, "available_share": 0.12}
    return replace(RUNS, gc=replace(RUNS.gc, **{**usual, **gc}), memory=memory, rates=rates)


@pytest.mark.parametrize(
    ("answer", "cause", "now"),
    [
        (busy(), "it allocates much", "diagmesh profile orders/i1 --type allocs"),
        (busy(target_bytes=4 * MIB), "its heap is small for what it allocates", "GOGC=400"),
        (busy(gogc_percent=5), "GOGC is small", "raise GOGC"),
        (busy(NEAR, cpu_share=0.12), "its memory limit is nearly used", "give it more memory"),
    ],
)
def test_it_is_found_with_its_cause(answer: Runtime, cause: str, now: str) -> None:
    diagnosis = judge([answer])
    assert codes(diagnosis) == ["GO-005"]
    finding = found(diagnosis, "GO-005")
    assert finding.title.startswith("garbage is collected 20 times a second, for ")
    assert finding.title.endswith(f"% of its CPU: {cause}")
    assert now in finding.advice.now[0]
    assert finding.severity is Severity.WARNING


def test_from_two_fifths_on_it_is_an_error() -> None:
    assert found(judge([busy(cpu_share=0.45)]), "GO-005").severity is Severity.ERROR


def test_where_its_own_use_is_not_seen_the_share_of_what_it_might_use_counts() -> None:
    finding = found(judge([busy(cpu_share=None, cpu_cores=None)]), "GO-005")
    assert "for 12 % of the CPU that it may use" in finding.title
    assert codes(judge([busy(cpu_share=None, cpu_cores=None, available_share=0.05)])) == []


@pytest.mark.parametrize(
    "answer",
    [
        busy(cpu_share=0.15),
        busy(cycles_per_s=0.1),
        busy(cycles_per_s=0.1, cpu_share=None, available_share=None),
        busy(cpu_cores=0.01),
        busy(NEAR, cpu_share=0.05),
    ],
    ids=["little", "rare", "rare and unknown", "cheap", "near its limit and little"],
)
def test_what_disturbs_nobody_is_clear(answer: Runtime) -> None:
    assert verdict(judge([answer]), "GO-005").verdict is Judged.CLEAR


def test_what_the_pages_do_not_tell_is_blind() -> None:
    for answer in (busy(cpu_share=None, available_share=None), busy(cycles_per_s=None)):
        one = verdict(judge([answer]), "GO-005")
        assert (one.verdict, one.again_in_s) == (Judged.BLIND, None)
        assert "give [targets.go] expvar or pprof" in one.not_judged[0].why


def test_a_burst_at_a_start_is_too_young() -> None:
    one = verdict(judge([busy(rates=Rates(over_s=4.0, samples=8, watched_s=4.0))]), "GO-005")
    assert (one.verdict, one.again_in_s) == (Judged.BLIND, 6.0)
    later = verdict(judge([busy(rates=Rates(over_s=4.0, samples=8, watched_s=400.0))]), "GO-005")
    assert (later.verdict, later.again_in_s) == (Judged.BLIND, None)


def test_the_thresholds_can_be_set() -> None:
    higher = RuleSettings(code="GO-005", limits={"share": 0.5})
    assert judged(gc_pressure, answered(busy()), settings=[higher]).findings == ()
