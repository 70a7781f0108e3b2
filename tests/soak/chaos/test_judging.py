"""The judge lets nothing pass that the ledger does not explain, and explains what it does."""

import pytest

from soak.chaos.judging import FULL, Judge, Judgement
from soak.chaos.records import Asked, Fault, Silence

NAMES = ("orders/i1", "orders/i2", "users/i1")
FROZEN = "connected but silent: its sidecar is hung"
GONE = "not connected: its sidecar is not connected"
UNKNOWN = "unknown: its server 'n1' did not answer"


def fault(act: str, what: str, at: float, over: float, *others: str, back: float | None = None) -> Fault:
    hit = (what, *others)
    return Fault(number=1, act=act, what=what, at=at, hit=hit, over=over, back=dict.fromkeys(hit, back or over))


FREEZE = fault("freeze", "orders/i1", 10.0, 14.0)
KILL = fault("kill", "orders/i1", 10.0, 13.0, back=14.0)
SERVER = fault("kill", "server n1", 10.0, 13.0, "orders/i1", "a", back=11.0)
SLOW = fault("freeze", "mesh/c1", 10.0, 14.0)
OTHER_SLOW = fault("freeze", "mesh/c2", 10.0, 14.0)


def mesh(at: float, *silent: tuple[str, str], took_s: float = 0.2, **more: object) -> Asked:
    named = tuple(Silence(name, reason) for name, reason in silent)
    given = {"ended": "complete", "by": "mesh/c2", "answered": len(NAMES) - len(silent), **more}
    return Asked(how="mesh", asker="a", at=at, took_s=took_s, budget_s=2.5, silent=named, **given)  # type: ignore[arg-type]


def one(at: float, error: str = "", *, took_s: float = 0.01, **more: object) -> Asked:
    heard = {} if error else {"heard": ("orders/i1",)}
    given = {"service": "orders", **heard, **more}
    return Asked(how="any", asker="a", at=at, took_s=took_s, budget_s=2.0, error=error, **given)  # type: ignore[arg-type]


def judged(asked: Asked, *faults: Fault, hedged: bool = False, remembered: bool = False) -> Judgement:
    return Judge(faults, NAMES, hedged=hedged, remembered=remembered).judge(asked)


def outcome(asked: Asked, *faults: Fault, hedged: bool = False, remembered: bool = False) -> str:
    return judged(asked, *faults, hedged=hedged, remembered=remembered).outcome


def test_who_answers_in_full_needs_no_excuse() -> None:
    assert outcome(mesh(1.0)) == outcome(one(1.0)) == FULL


def test_a_silent_one_must_have_been_hit_then() -> None:
    silent = ("orders/i1", FROZEN)
    assert outcome(mesh(11.0, silent), FREEZE) == "in part: those silent were hit, and named rightly"
    assert outcome(mesh(15.9, silent), FREEZE).startswith("in part")  # two heartbeats after it was back
    for at in (9.0, 16.1):
        assert judged(mesh(at, silent), FREEZE) == Judgement("unexplained", f"orders/i1 was well, but: {FROZEN}")
    assert outcome(mesh(11.0, ("users/i1", FROZEN)), FREEZE) == "unexplained"
    assert outcome(mesh(11.0, ("nobody/i1", FROZEN)), FREEZE) == "unexplained"


@pytest.mark.parametrize(
    ("done", "at", "reason", "expected"),
    [
        (FREEZE, 11.0, GONE, "wrong reason"),
        (FREEZE, 11.0, UNKNOWN, "wrong reason"),
        (KILL, 11.0, GONE, "in part"),
        (KILL, 11.0, FROZEN, "wrong reason"),
        (KILL, 10.1, FROZEN, "in part"),  # it had just gone
        (KILL, 12.9, FROZEN, "in part"),  # the next one is just coming
        (SERVER, 11.0, UNKNOWN, "in part"),
        (SERVER, 11.0, GONE, "in part"),
    ],
)
def test_the_reason_must_be_what_was_done(done: Fault, at: float, reason: str, expected: str) -> None:
    assert outcome(mesh(at, ("orders/i1", reason)), done).startswith(expected)


def test_of_who_was_gone_already_a_server_that_was_hit_next_tells_nothing() -> None:
    gone = fault("kill", "orders/i1", 9.5, 13.0, back=14.0)
    server = fault("lame duck", "server n1", 10.0, 13.0, back=13.5)  # he was not on it any more
    assert outcome(mesh(10.5, ("orders/i1", UNKNOWN)), gone, server).startswith("in part")
    elsewhere = fault("lame duck", "server n2", 10.0, 13.0, back=13.5)
    assert outcome(mesh(10.5, ("orders/i1", UNKNOWN)), gone, elsewhere) == "wrong reason"
    assert outcome(mesh(10.5, ("orders/i2", UNKNOWN)), gone, server) == "unexplained"


def test_who_is_dead_has_not_answered() -> None:
    assert outcome(mesh(11.0), KILL) == "false"
    assert outcome(mesh(11.0), FREEZE) == "false"
    assert outcome(mesh(9.9), KILL) == FULL
    assert outcome(mesh(13.9, took_s=0.3), FREEZE) == FULL  # it was let go meanwhile
    assert outcome(one(11.0), FREEZE) == "false"


def test_whoever_is_missing_must_be_named() -> None:
    assert outcome(mesh(1.0, answered=2)) == "unexplained"
    assert outcome(mesh(11.0, answered=2), KILL) == "unexplained"
    restarted = fault("kill", "mesh/c2", 8.0, 9.0, back=9.5)
    assert outcome(mesh(12.0, answered=2), KILL, restarted).endswith("hit since the coordinator started")
    assert outcome(mesh(12.0, answered=2), KILL, restarted, remembered=True) == "unexplained"
    earlier = fault("kill", "mesh/c2", 1.0, 2.0, back=2.5)
    assert outcome(mesh(12.0, answered=2), KILL, earlier) == "unexplained"


def test_a_coordinator_that_was_hit_is_no_witness() -> None:
    hit = fault("freeze", "mesh/c2", 10.0, 10.5)
    assert outcome(mesh(11.0, ("users/i1", FROZEN)), hit) == "in part, told by a coordinator that had been hit itself"
    assert outcome(mesh(13.0, ("users/i1", FROZEN)), hit) == "unexplained"
    assert outcome(mesh(11.0, ended="warming"), hit) == "told as warming or cut off, by a coordinator just hit"
    assert outcome(mesh(13.9, ended="warming"), hit) == "told as warming or cut off, by a coordinator just hit"
    assert outcome(mesh(14.1, ended="warming"), hit) == "unexplained"
    assert outcome(mesh(11.0, ended="warming")) == "unexplained"


def test_the_directory_goes_by_heartbeats() -> None:
    def directory(at: float) -> Asked:
        return Asked(
            how="directory", asker="a", at=at, took_s=0.01, budget_s=2.0, by="mesh/c2", heard=NAMES, answered=3
        )

    long = fault("freeze", "orders/i1", 10.0, 18.0)
    assert outcome(directory(13.9), long) == FULL
    assert outcome(directory(14.1), long) == "false"
    assert outcome(directory(16.9), long, fault("kill", "mesh/c2", 9.0, 12.0, back=13.0)) == FULL
    assert outcome(directory(17.1), long, fault("kill", "mesh/c2", 9.0, 12.0, back=13.0)) == "false"
    # One that was frozen knows what was said meanwhile, and when.
    assert outcome(directory(14.9), long, fault("freeze", "mesh/c2", 9.0, 13.0)) == FULL
    assert outcome(directory(15.1), long, fault("freeze", "mesh/c2", 9.0, 13.0)) == "false"
    assert outcome(directory(16.9), long, fault("freeze", "server n1", 9.0, 13.0, "mesh/c2")) == FULL


def test_with_hedging_one_coordinator_is_enough() -> None:
    lost = mesh(11.0, error="NoAnswer", answered=0, by="")
    assert outcome(lost) == "unexplained"
    assert outcome(lost, SLOW) == "error: a coordinator was hit"
    assert outcome(lost, SLOW, hedged=True) == "unexplained"
    assert outcome(lost, SLOW, OTHER_SLOW, hedged=True) == "error: a coordinator was hit"


def test_an_error_needs_its_cause() -> None:
    assert outcome(one(11.0, "NoAnswer"), FREEZE) == "error: the instance asked was hit"
    assert outcome(one(11.0, "NoAnswer")) == outcome(one(11.0, "NoAnswer"), SLOW) == "unexplained"
    assert outcome(one(11.0, "NoResponders"), KILL) == "unexplained"  # its sibling was there
    assert outcome(one(11.0, "NoResponders", instance="i1"), KILL) == "error: the instance asked was hit"
    assert outcome(one(11.0, "ConnectionLost"), SERVER) == "error: the server of the asker was hit"
    assert outcome(one(11.0, "ConnectionLost"), KILL) == "unexplained"
    assert outcome(one(11.0, "NotPermitted"), FREEZE) == "unexplained"
    busy = "8 questions for health and 12 in all are in work"
    assert outcome(one(14.1, "Declined", detail=busy), FREEZE) == "error: the instance asked was hit"
    assert outcome(one(14.1, "Declined", detail=busy)) == "unexplained"
    assert outcome(one(14.1, "Declined", detail="no such kind"), FREEZE) == "unexplained"


def test_too_late_and_twice_are_never_explained() -> None:
    assert outcome(one(11.0, "NoAnswer", took_s=3.1), FREEZE) == "hang"
    assert outcome(one(11.0, "NoAnswer", took_s=3.1, lag_s=0.2), FREEZE) == "error: the instance asked was hit"
    assert outcome(mesh(11.0, unexpected=("orders/i1: answered more than once; counted once",)), FREEZE) == "duplicate"
    assert outcome(mesh(1.0, unexpected=("x/y: names itself otherwise",))) == "unexplained"


def test_a_command_may_have_been_on_any_server() -> None:
    typed = Asked(how="cli", asker="cli", at=11.0, took_s=1.0, budget_s=10.0, error="Exit3")
    assert outcome(typed, SERVER) == "error: the server of the asker was hit"
    assert outcome(typed, FREEZE) == "unexplained"
    assert outcome(typed, SLOW) == "error: a coordinator was hit"


def test_a_connection_need_not_be_known_while_a_server_is_out() -> None:
    silent = ("orders/i1", "unknown: its connection could not be looked up in time")
    frozen = fault("freeze", "orders/i1", 10.0, 18.0)
    away = fault("freeze", "server n2", 12.0, 14.0)
    for at, expected in ((9.9, "wrong"), (10.5, "in part"), (12.9, "in part"), (13.2, "wrong")):
        assert outcome(mesh(at, silent, took_s=1.8), frozen, away).startswith(expected)
    gone = ("orders/i1", GONE)
    assert outcome(mesh(12.5, gone), frozen, away) == "wrong reason", "that is another claim"


def test_nobody_listens_when_all_coordinators_are_cut_off() -> None:
    lost = Asked(how="directory", asker="b", at=11.0, took_s=0.5, budget_s=2.0, error="NoResponders")
    both = fault("kill", "server n1", 10.9, 13.0, "mesh/c1", "mesh/c2", back=11.6)
    assert outcome(lost, both, hedged=True) == "error: a coordinator was hit"
    one = fault("kill", "server n1", 10.9, 13.0, "mesh/c1", back=11.6)
    assert outcome(lost, one, hedged=True) == "unexplained"
    assert outcome(lost, one, OTHER_SLOW, hedged=True) == "unexplained", "who is frozen is still subscribed"
    dead = fault("kill", "mesh/c2", 9.0, 12.0, back=12.5)
    assert outcome(lost, one, dead, hedged=True) == "error: a coordinator was hit"


def test_a_new_coordinator_need_not_know_all_while_its_registry_has_no_leader() -> None:
    started = fault("kill", "mesh/c2", 9.0, 12.0, back=12.5)
    away = fault("freeze", "server n1", 10.0, 16.0, "orders/i1", back=17.0)
    lacks = mesh(15.0, answered=2, ended="warming")
    assert not judged(lacks, started, away, remembered=True).bad
    assert outcome(mesh(15.0, answered=2), started, away, remembered=True) == "unexplained", "it has to say so"
    assert outcome(lacks, started, remembered=True) == "unexplained", "no server was out"
    assert outcome(lacks, started, fault("freeze", "orders/i1", 12.0, 16.0), remembered=True) == "unexplained"
    whole = mesh(20.0, ended="warming")
    assert not judged(whole, started, away, remembered=True).bad
    assert outcome(whole, started, remembered=True) == "unexplained"
    assert outcome(mesh(43.0, ended="warming"), started, away, remembered=True) == "unexplained", "not for ever"


def test_behind_a_server_that_was_just_reached_again_nobody_need_be_known() -> None:
    silent = ("orders/i1", "unknown: its server 'n2' was reached again only a moment ago, and its sidecar was not")
    frozen = fault("freeze", "orders/i1", 10.0, 18.0)
    away = fault("freeze", "server n2", 8.0, 11.0)
    assert outcome(mesh(15.0, silent), frozen, away).startswith("in part")
    assert outcome(mesh(16.5, silent), frozen, away) == "wrong reason", "that was long ago"
    assert outcome(mesh(15.0, silent), frozen, fault("freeze", "server n1", 8.0, 11.0)) == "wrong reason"
    assert outcome(mesh(15.0, silent), away) == "unexplained", "he was well"
