"""GO-003: a circle that lasts is found, with everybody in it; one that may be gone in a moment is not judged yet."""

from msgspec.structs import replace

from diagmesh.contract.answers.goroutines import Cycle, CycleStep, Goroutines, HolderWhy
from diagmesh.contract.answers.stacks import Frame
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict
from diagmesh.testing import answered, judged
from diagmesh_rules.goroutine_deadlock import goroutine_deadlock


def step(goroutine: int, function: str, line: int, lock: str) -> CycleStep:
    frame = Frame(function=f"shop/store.(*Store).{function}", file="/src/shop/store/deadlock.go", line=line)
    return CycleStep(goroutine=goroutine, frame=frame, waits_for=lock, why=HolderWhy.RECEIVER)


CYCLE = Cycle(
    steps=(step(60, "bookThenCount", 30, "0xc000010038"), step(61, "countThenBook", 38, "0xc000010000")),
    held_up=4,
    seen_s=8.0,
)
SEEN = Goroutines(total=30, states={"sync.Mutex.Lock": 6}, cycles=(CYCLE,))


def test_a_circle_is_found_with_everybody_in_it() -> None:
    (finding,) = judged(goroutine_deadlock, answered(SEEN)).findings
    assert finding.title == (
        "2 goroutines wait in a circle for 8 s: store.(*Store).bookThenCount (store/deadlock.go:30) and "
        "store.(*Store).countThenBook (store/deadlock.go:38), 4 goroutines behind them"
    )
    assert finding.severity is Severity.ERROR
    words = [str(fact.value) for fact in finding.evidence]
    assert "for lock 0xc000010038, which 61 seems to hold (inferred), in store.(*Store).bookThenCount" in words[1]
    assert "which 60 seems to hold" in words[2]


def test_what_go_printed_of_the_age_is_enough() -> None:
    old = replace(SEEN, cycles=(replace(CYCLE, seen_s=None, waits_s=120),))
    assert "in a circle for 2 min" in judged(goroutine_deadlock, answered(old)).findings[0].title


def test_a_lock_of_ones_own() -> None:
    alone = replace(SEEN, cycles=(replace(CYCLE, steps=CYCLE.steps[:1], held_up=0),))
    (finding,) = judged(goroutine_deadlock, answered(alone)).findings
    assert finding.title.startswith("a goroutine waits for a lock that it seems to hold itself for 8 s")


def test_a_circle_of_a_moment_is_not_judged_yet() -> None:
    young = judged(goroutine_deadlock, answered(replace(SEEN, cycles=(replace(CYCLE, seen_s=None),))))
    assert (young.verdicts[0].verdict, young.verdicts[0].again_in_s) == (Verdict.BLIND, 5.0)


def test_no_circle_is_clear_and_counts_are_blind() -> None:
    assert judged(goroutine_deadlock, answered(replace(SEEN, cycles=()))).verdicts[0].verdict is Verdict.CLEAR
    (counts,) = judged(goroutine_deadlock, answered(Goroutines(total=9))).verdicts
    assert (counts.verdict, "--set form=stacks" in counts.not_judged[0].why) == (Verdict.BLIND, True)
