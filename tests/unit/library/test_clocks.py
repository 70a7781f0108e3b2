"""Clock offsets: whatever the way and the work took, the true offset lies within what is told."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from diagmesh.clocks import Offset, offset, offsets_of
from diagmesh.contract.mesh import Ended
from diagmesh.contract.wire import Reply, Status
from diagmesh.expected import Gathered, Key
from support.replies import NOW

KEY = Key("orders", "i1")
FEW_S = st.floats(0, 5)


def reply(made_at: datetime | None, took_ms: float = 0.0, instance: str = "i1") -> Reply:
    status = Status.ANSWERED
    return Reply(
        v=1, service="orders", instance=instance, kind="health", status=status, observed_at=made_at, took_ms=took_ms
    )


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def gathered(*replies: tuple[Reply, float], **fields: Any) -> Gathered:
    base = {
        "kind": "health", "silent": (), "unexpected": (), "expected": 1, "newcomers": (), "not_waited_for": 0,
        "ended": Ended.COMPLETE, "took_s": 1.0, "notes": (), "asked_at": NOW,
    }  # fmt: skip
    arrived = [at for _, at in replies]
    return Gathered(**{**base, "replies": [one for one, _ in replies], "arrived_s": arrived, **fields})


@given(ahead_s=st.floats(-1e6, 1e6), waited_s=FEW_S, there_s=FEW_S, work_s=FEW_S, back_s=FEW_S)
def test_the_true_offset_is_never_excluded(
    ahead_s: float, waited_s: float, there_s: float, work_s: float, back_s: float
) -> None:
    made_s = waited_s + there_s + work_s
    stamped = after(made_s + ahead_s)
    cut_off = stamped.replace(microsecond=stamped.microsecond // 1000 * 1000)
    told = offset(reply(cut_off, work_s * 1000), NOW, after(made_s + back_s))
    assert told is not None
    assert told.low_s - 1e-4 <= ahead_s <= told.high_s + 1e-4
    assert told.high_s - told.low_s <= waited_s + there_s + back_s + 0.0021, "the work itself costs no certainty"


def test_a_reply_that_does_not_say_when_tells_nothing() -> None:
    assert offset(reply(None), NOW, NOW) is None
    assert offset(reply(NOW.replace(tzinfo=None)), NOW, NOW) is None


def test_nonsense_makes_the_interval_wide_not_wrong() -> None:
    for took_ms in (-1e9, 1e9, 1e300):
        told = offset(reply(after(0.5), took_ms), NOW, after(1))
        assert told is not None
        assert told.low_s <= told.high_s


def test_several_replies_of_one_instance_tell_more_than_one() -> None:
    slow, quick = reply(after(2.0)), reply(after(100.5))
    both = offsets_of([gathered((slow, 3.0)), gathered((quick, 0.1), asked_at=after(100.4)), gathered(asked_at=None)])
    assert both == {KEY: Offset(0.0, 0.101)} or both[KEY] == Offset(-0.0, 0.101)


def test_a_clock_that_was_set_in_between_is_told_as_both() -> None:
    assert Offset(0, 1).meet(Offset(5, 6)) == Offset(0, 6)
    assert Offset(0, 4).meet(Offset(3, 6)) == Offset(3, 4)


def test_replies_that_nobody_timed_tell_nothing() -> None:
    assert offsets_of([gathered((reply(NOW), 1.0), asked_at=None)]) == {}
