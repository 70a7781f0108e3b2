"""GO-002: many that wait on for one lock, or to send; not those who go through one after the other."""

from msgspec.structs import replace

from diagmesh.contract.answers.goroutines import Goroutines, Holder, HolderWhy, WaitAge, Waited, WaitedKind
from diagmesh.contract.answers.stacks import Frame
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.goroutines_pile_up import goroutines_pile_up

PUT = Frame(function="shop/store.(*Store).Put", file="/src/shop/store/store.go", line=48)
HOLD = Frame(function="shop/store.(*Store).Flush", file="/src/shop/store/store.go", line=139)
LOCK = Waited(
    kind=WaitedKind.MUTEX,
    state="sync.Mutex.Lock",
    address="0xc000010000",
    waiters=412,
    frame=PUT,
    still=380,
    seen_s=3.0,
    holders=(Holder(goroutine=9, frame=HOLD, why=HolderWhy.RECEIVER, state="IO wait"),),
)
FEW = replace(LOCK, waiters=3, still=3, seen_s=20.0)
SENDERS = Waited(kind=WaitedKind.CHANNEL, state="chan send", waiters=40, frame=PUT, still=30, seen_s=15.0)


def said(*waited: Waited) -> Verdict:
    answer = Goroutines(total=500, states={"running": 1}, waited=waited)
    return judged(goroutines_pile_up, answered(answer)).verdicts[0].verdict


def title(*waited: Waited) -> str:
    answer = Goroutines(total=500, states={"running": 1}, waited=waited)
    return judged(goroutines_pile_up, answered(answer)).findings[0].title


def test_a_pile_is_found_with_its_lock_and_who_seems_to_hold_it() -> None:
    assert title(FEW, LOCK) == (
        "412 goroutines wait for one mutex in store.(*Store).Put (store/store.go:48) for 3 s, which goroutine 9 "
        "seems to hold: store.(*Store).Flush (store/store.go:139)"
    )


def test_a_few_that_wait_long_are_found() -> None:
    assert title(FEW).startswith("3 goroutines wait for one mutex in store.(*Store).Put (store/store.go:48) for 20 s")
    old = replace(FEW, still=0, seen_s=None, age=WaitAge(min_s=60, median_s=120, max_s=180))
    answer = Goroutines(total=9, states={"running": 1}, waited=(old,))
    (finding,) = judged(goroutines_pile_up, answered(answer)).findings
    assert finding.severity is Severity.ERROR


def test_a_pile_that_goes_through_is_told_without_a_time() -> None:
    assert "wait for one mutex in store.(*Store).Put (store/store.go:48), which" in title(replace(LOCK, seen_s=None))


def test_those_who_want_to_send_are_found() -> None:
    assert title(SENDERS).startswith("40 goroutines wait for somebody to receive in store.(*Store).Put")


def test_who_goes_through_is_no_pile() -> None:
    assert said() is Verdict.CLEAR
    assert said(replace(LOCK, waiters=1, still=1, seen_s=60.0)) is Verdict.CLEAR
    assert said(replace(SENDERS, state="chan receive")) is Verdict.CLEAR
    assert said(replace(SENDERS, waiters=5)) is Verdict.CLEAR


def test_one_look_is_not_enough() -> None:
    for waited in (replace(LOCK, still=0, seen_s=None), replace(FEW, seen_s=4.0), replace(LOCK, still=2)):
        answer = Goroutines(total=500, states={"running": 1}, waited=(waited,))
        (verdict,) = judged(goroutines_pile_up, answered(answer)).verdicts
        assert (verdict.verdict, verdict.again_in_s) == (Verdict.BLIND, 2.0)


def test_counts_do_not_say_who_waits() -> None:
    (verdict,) = judged(goroutines_pile_up, answered(Goroutines(total=90_000))).verdicts
    assert (verdict.verdict, verdict.again_in_s) == (Verdict.BLIND, None)
    assert "--set form=stacks" in verdict.not_judged[0].why
