"""Heartbeats that could not be read are told for a while, then forgotten."""

from diagmesh_coordinator.unread import Unread


def test_only_the_last_minutes_are_told() -> None:
    unread = Unread()
    assert unread.problems(0) == ()
    unread.note("diagev.hb.payments.forged", 10)
    unread.note("diagev.hb.orders.i1", 100)
    (both,) = unread.problems(309.9)
    assert both.startswith("2 heartbeats of the last five minutes could not be read")
    assert both.endswith("on diagev.hb.orders.i1, diagev.hb.payments.forged: ignored"), "the newest first"
    assert unread.problems(310)[0].startswith("1 heartbeat of")
    assert unread.problems(400) == ()


def test_a_flood_stays_short_and_printable() -> None:
    unread = Unread()
    for number in range(5000):
        unread.note(f"diagev.hb.\x1b[2J{'x' * 1000}.{number % 10}{number}", number / 1000)
    (problem,) = unread.problems(5)
    assert problem.startswith("1000 or more heartbeats")
    assert problem.isprintable()
    assert len(problem) < 600
