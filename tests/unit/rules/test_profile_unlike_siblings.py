"""PROF-004: one replica that does what its siblings do not, in which function; alike ones are alike."""

import msgspec
import pytest

from diagmesh.contract.answers.profile import Profile
from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.profile_unlike_siblings import profile_unlike_siblings
from support.profiles import surveyed

WELL = surveyed()
KEEPS = surveyed(heap={"harm.keep": 100 << 20, "store.Put": 3 << 20})


@pytest.mark.parametrize("siblings", [1, 2, 4])
def test_who_keeps_more_is_named_with_the_function(siblings: int) -> None:
    others = [answered(WELL, f"orders/i{number}") for number in range(2, siblings + 2)]
    (finding,) = judged(profile_unlike_siblings, answered(KEEPS, "orders/i1"), *others).findings
    assert finding.instances == ("orders/i1",)
    than = f"its siblings 0 B (median of {siblings})" if siblings > 1 else "its sibling 0 B"
    assert finding.title == f"harm.keep (harm.go:7) keeps 100 MiB, {than}"


def test_who_spends_more_is_named_unless_another_rule_tells_it() -> None:
    some = surveyed(cpu={"harm.compute": 300_000_000, "store.Put": 280_000_000})
    much = surveyed(cpu={"harm.compute": 900_000_000, "store.Put": 20_000_000})
    (finding,) = judged(profile_unlike_siblings, answered(some), answered(WELL, "orders/i2")).findings
    assert finding.title.startswith("harm.compute (harm.go:7) uses 0.3 cores, its sibling 0 cores")
    assert not judged(profile_unlike_siblings, answered(much), answered(WELL, "orders/i2")).findings


def test_what_all_do_is_nobodys_difference() -> None:
    both = [answered(KEEPS, f"orders/i{number}") for number in (1, 2)]
    (verdict,) = judged(profile_unlike_siblings, *both, answered(WELL, "payments/i1")).verdicts
    assert verdict.verdict is Verdict.CLEAR


def test_a_function_that_is_not_told_may_have_as_much_as_the_last_that_is() -> None:
    many = surveyed(heap={f"store.f{number}": 60 << 20 for number in range(10)})
    (finding,) = judged(profile_unlike_siblings, answered(KEEPS), answered(many, "orders/i2")).findings
    assert finding.instances == ("orders/i2",)


def test_a_look_at_something_else_is_blind() -> None:
    none = answered(msgspec.structs.replace(WELL, counted=()), "orders/i2")
    (verdict,) = judged(profile_unlike_siblings, answered(WELL), none).verdicts
    assert verdict.verdict is Verdict.BLIND
    assert isinstance(WELL, Profile)
