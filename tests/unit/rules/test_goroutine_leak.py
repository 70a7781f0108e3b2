"""GO-001: growth at one place of creation, and what Go's own leak profile says; not what goes up and down."""

from datetime import UTC, datetime

from msgspec.structs import replace

from diagmesh.contract.answers.goroutines import DumpForm, Goroutines, Growth, Leak
from diagmesh.contract.answers.stacks import Frame
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.goroutine_leak import goroutine_leak

SITE = Frame(function="shop/orders.(*Service).serve", file="/src/shop/orders/serve.go", line=12)
PLACE = Frame(function="shop/orders.await", file="/src/shop/orders/await.go", line=31)
GROWING = Growth(
    site=SITE,
    count=412,
    before=100,
    over_s=100.0,
    per_second=3.12,
    looks=5,
    rises=4,
    waiting=410,
    place=PLACE,
    since=datetime(2026, 11, 27, 14, 2, tzinfo=UTC),
)
SEEN = Goroutines(total=450, states={"chan receive": 430, "running": 20}, watched_s=100.0, looks=5)


def said(answer: Goroutines) -> Verdict:
    return judged(goroutine_leak, answered(answer)).verdicts[0].verdict


def test_growth_is_found_with_its_place_rate_and_beginning() -> None:
    (finding,) = judged(goroutine_leak, answered(replace(SEEN, growth=(GROWING,)))).findings
    assert finding.title == (
        "412 goroutines started at orders.(*Service).serve (orders/serve.go:12), growing 3.12/s since "
        "2026-11-27T14:02:00Z or earlier"
    )
    assert finding.severity is Severity.WARNING
    assert "orders.await (orders/await.go:31)" in [fact.value for fact in finding.evidence]


def test_growth_that_was_seen_to_begin_has_a_beginning() -> None:
    for grown in (replace(GROWING, looks=4), replace(GROWING, before=0)):
        (finding,) = judged(goroutine_leak, answered(replace(SEEN, growth=(grown,)))).findings
        assert finding.title.endswith("since 2026-11-27T14:02:00Z")


def test_ever_so_many_are_an_error() -> None:
    many = replace(SEEN, total=12_000, growth=(replace(GROWING, count=11_900, waiting=11_900),))
    assert judged(goroutine_leak, answered(many)).findings[0].severity is Severity.ERROR


def test_what_is_no_leak() -> None:
    assert said(SEEN) is Verdict.CLEAR
    assert said(replace(SEEN, growth=(replace(GROWING, before=400),))) is Verdict.CLEAR
    assert said(replace(SEEN, growth=(replace(GROWING, waiting=300),))) is Verdict.CLEAR


def test_a_single_rise_is_not_judged_yet() -> None:
    once = judged(goroutine_leak, answered(replace(SEEN, growth=(replace(GROWING, rises=1),))))
    assert once.verdicts[0].verdict is Verdict.BLIND
    assert once.verdicts[0].again_in_s == 1.0
    short = judged(goroutine_leak, answered(replace(SEEN, growth=(replace(GROWING, over_s=4.0),))))
    assert short.verdicts[0].again_in_s == 6.0


def test_a_first_look_is_not_judged_yet() -> None:
    (verdict,) = judged(goroutine_leak, answered(replace(SEEN, watched_s=None, looks=1))).verdicts
    assert (verdict.verdict, verdict.again_in_s) == (Verdict.BLIND, 10.0)


def test_counts_alone_tell_a_place() -> None:
    counted = replace(SEEN, form=DumpForm.COUNTS, states={}, growth=(replace(GROWING, site=PLACE, waiting=0),))
    (finding,) = judged(goroutine_leak, answered(counted)).findings
    assert finding.title.startswith("412 goroutines at orders.await (orders/await.go:31), growing 3.12/s")


def test_what_nothing_can_wake_is_found_at_the_first_look() -> None:
    leaking = replace(SEEN, watched_s=None, leaks=(Leak(count=25, frames=(PLACE,), place=PLACE), Leak(count=2)))
    (finding,) = judged(goroutine_leak, answered(leaking)).findings
    words = "27 goroutines that nothing can wake any more, most of them at orders.await (orders/await.go:31)"
    assert finding.title == words
    few = replace(SEEN, leaks=(Leak(count=3, frames=(PLACE,), place=PLACE),))
    assert said(few) is Verdict.CLEAR
