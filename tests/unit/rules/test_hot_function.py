"""PROF-001: a function that spins is named with its line; a process that does little, or many things, is well."""

import msgspec
import pytest

from diagmesh.contract.answers.profile import Profile
from diagmesh.contract.verdicts import Verdict
from diagmesh.settings import RuleSettings
from diagmesh.testing import answered, judged, refused
from diagmesh_rules.hot_function import hot_function
from support.profiles import surveyed

SPINS = surveyed(cpu={"harm.compute": 950_000_000, "store.Put": 50_000_000})


def test_who_spins_is_named() -> None:
    (finding,) = judged(hot_function, answered(SPINS)).findings
    assert finding.title == "harm.compute (harm.go:7) uses 0.95 cores, 95 % of the CPU of the process"
    assert [fact.value for fact in finding.evidence] == [
        0.95,
        "shop/internal/harm.compute",
        "/src/harm.go:7",
        0.95,
        1.0,
    ]


@pytest.mark.parametrize(
    "cpu",
    [
        {"harm.compute": 95_000_000, "store.Put": 5_000_000},
        {"harm.compute": 500_000_000, "store.Put": 500_000_000},
        {"harm.compute": 1},
    ],
)
def test_little_use_and_shared_use_are_well(cpu: dict[str, int]) -> None:
    (verdict,) = judged(hot_function, answered(surveyed(cpu=cpu))).verdicts
    assert verdict.verdict is Verdict.CLEAR


def test_the_thresholds_can_be_set() -> None:
    lower = RuleSettings(code="PROF-001", services=("orders",), limits={"busy_cores": 0.05})
    busy = answered(surveyed(cpu={"harm.compute": 95_000_000}))
    assert judged(hot_function, busy, settings=[lower]).findings


@pytest.mark.parametrize("reply", [refused(Profile), answered(msgspec.structs.replace(SPINS, counted=()))])
def test_without_a_sample_it_is_blind(reply: object) -> None:
    (verdict,) = judged(hot_function, reply).verdicts  # type: ignore[arg-type]  # a reply, in a list of any
    assert verdict.verdict is Verdict.BLIND


def test_an_instance_without_go_pages_has_nothing_to_be_judged() -> None:
    none = refused(Profile, at="orders/i2")
    assert none.problem is not None
    absent = msgspec.structs.replace(none, problem=msgspec.structs.replace(none.problem, code=501))
    (one,) = judged(hot_function, answered(surveyed(cpu={"harm.compute": 1})), absent).verdicts
    assert (one.verdict, one.judged) == (Verdict.CLEAR, ("orders/i1",))
    assert [(missing.instance, missing.not_here) for missing in one.not_judged] == [("orders/i2", True)]
