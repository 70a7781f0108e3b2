"""The directory: heartbeats in, the expected out."""

from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from diagmesh.contract.presence import Heartbeat
from diagmesh.expected import Expected, Key
from diagmesh.roster import Roster

AT = datetime(2026, 11, 23, tzinfo=UTC)


def beat(boot: str = "b1", interval_s: float = 1.0, **more: object) -> Heartbeat:
    return Heartbeat(v=1, boot=boot, interval_s=interval_s, **more)  # type: ignore[arg-type]


def live(roster: Roster, now: float) -> set[Key]:
    return {known.key for known in roster if known.live(now)}


def test_an_instance_is_live_for_three_of_its_own_intervals() -> None:
    roster = Roster()
    roster.hear("orders", "slow", beat(interval_s=10), 0, AT)
    roster.hear("orders", "fast", beat(interval_s=1), 0, AT)
    assert live(roster, 2.9) == {("orders", "slow"), ("orders", "fast")}
    assert live(roster, 3.0) == {("orders", "slow")}
    assert live(roster, 30.0) == set()
    assert len(roster) == 2, "lost is not forgotten"


def test_a_lost_instance_stays_expected_until_it_is_too_long_ago() -> None:
    roster = Roster(forget_after_s=10)
    roster.hear("orders", "i1", beat(), 0, AT)
    assert roster.sweep(9.9) == 0
    assert [one.key for one in roster] == [("orders", "i1")]
    assert roster.sweep(10) == 1
    assert len(roster) == 0
    assert roster.services() == ()


def test_bye_removes_at_once_and_only_the_start_that_says_it() -> None:
    roster = Roster()
    roster.hear("orders", "i1", beat("old"), 0, AT)
    roster.hear("orders", "i1", beat("new"), 1, AT)
    roster.hear("orders", "i1", beat("old", bye=True), 1.1, AT)
    assert live(roster, 1.2) == {("orders", "i1")}, "a late bye of the older start must not remove the newer one"
    roster.hear("orders", "i1", beat("new", bye=True), 1.3, AT)
    assert len(roster) == 0


def test_bye_of_the_newer_start_takes_the_one_it_replaced_with_it() -> None:
    roster = Roster()
    roster.hear("orders", "i1", beat("killed"), 0, AT)
    roster.hear("orders", "i1", beat("restarted"), 0.5, AT)
    roster.hear("orders", "i1", beat("restarted", bye=True), 0.6, AT)
    assert len(roster) == 0, "the killed start would be expected in vain"


def test_bye_of_one_of_two_that_share_a_name_leaves_the_other() -> None:
    roster = Roster()
    for now, boot in ((0, "a"), (0.5, "b"), (1, "a"), (1.5, "b")):
        roster.hear("orders", "i1", beat(boot), now, AT)
    roster.hear("orders", "i1", beat("b", bye=True), 1.6, AT)
    assert live(roster, 1.7) == {("orders", "i1")}


def test_a_start_that_was_out_of_hearing_has_still_begun_when_it_was_first_heard() -> None:
    roster = Roster()
    for now, boot in ((0, "a"), (0, "b"), (3, "b"), (3, "a")):
        roster.hear("orders", "i1", beat(boot), now, AT)
    roster.hear("orders", "i1", beat("b", bye=True), 3, AT)
    assert live(roster, 3) == {("orders", "i1")}, "the other one has spoken since, so b has not replaced it"


def test_bye_of_somebody_unknown_creates_nobody() -> None:
    roster = Roster()
    roster.hear("orders", "i1", beat(bye=True), 0, AT)
    assert len(roster) == 0


def test_two_sidecars_under_one_name_are_a_named_problem_until_one_goes() -> None:
    roster = Roster()
    for now, boot in ((0, "a"), (0.5, "b"), (1, "a")):
        roster.hear("orders", "i1", beat(boot), now, AT)
    (problem,) = roster.problems(1.1)
    assert "orders/i1" in problem
    assert "a and b" in problem
    for now in (1.5, 2.5, 3.5, 4.5):
        roster.hear("orders", "i1", beat("b"), now, AT)
    assert roster.problems(4.6) == ()


def test_a_restart_is_no_conflict() -> None:
    roster = Roster()
    for now, boot in ((0, "a"), (1, "a"), (1.2, "b"), (2.2, "b")):
        roster.hear("orders", "i1", beat(boot), now, AT)
    assert roster.problems(2.3) == ()
    (known,) = roster
    assert known.rivals(2.3) == ()


def test_all_that_share_a_name_are_rivals_with_their_hosts() -> None:
    roster = Roster()
    for now, boot in ((0, "a"), (0.2, "b"), (0.4, "c"), (1, "a"), (1.2, "b"), (1.4, "c")):
        roster.hear("orders", "i1", beat(boot, host=f"host-{boot}"), now, AT)
    (known,) = roster
    assert [(one.boot, one.host) for one in known.rivals(1.5)] == [("a", "host-a"), ("b", "host-b"), ("c", "host-c")]
    assert "3 sidecars call themselves orders/i1 (boots a and b and c)" in roster.problems(1.5)[0]
    assert known.rivals(9) == (), "all of them are lost"


def test_when_the_newer_of_two_goes_the_older_is_what_is_known() -> None:
    roster = Roster()
    for now, boot in ((0, "a"), (0.5, "b"), (1, "a"), (2, "a"), (3, "a"), (4, "a")):
        roster.hear("orders", "i1", beat(boot, host=f"host-{boot}"), now, AT)
    (known,) = roster
    assert known.beat.host == "host-a"


def test_declared_replicas_that_nobody_saw_are_lacking() -> None:
    roster = Roster(replicas={"orders": 3, "ghosts": 1})
    roster.hear("orders", "i1", beat(), 0, AT)
    assert roster.lacking("orders") == 2
    assert roster.lacking("ghosts") == 1
    assert roster.lacking("others") == 0
    assert roster.services() == ("ghosts", "orders")
    roster.hear("orders", "i2", beat(), 0, AT)
    assert roster.lacking("orders") == 1
    assert roster.sweep(5) == 0, "i1 and i2 are lost now"
    assert roster.lacking("orders") == 1, "the lost count by name"


def test_forget_keeps_the_live() -> None:
    roster = Roster()
    roster.hear("orders", "gone", beat(), 0, AT)
    roster.hear("orders", "here", beat(), 9, AT)
    assert roster.forget("orders", "", 10) == ((Key("orders", "gone"),), (Key("orders", "here"),))
    assert roster.forget("orders", "here", 10) == ((), (Key("orders", "here"),))
    assert roster.forget("payments", "", 10) == ((), ())
    assert roster.forget("orders", "here", 20) == ((Key("orders", "here"),), ())


def test_time_in_which_we_were_deaf_does_not_count() -> None:
    roster = Roster()
    roster.hear("orders", "i1", beat(), 0, AT)
    roster.excuse(100)
    assert live(roster, 102.9) == {("orders", "i1")}
    assert live(roster, 103) == set()


def test_a_restart_is_no_conflict_after_we_were_deaf_either() -> None:
    roster = Roster()
    for now, boot in ((0, "a"), (1, "a"), (1.2, "b")):
        roster.hear("orders", "i1", beat(boot), now, AT)
    roster.excuse(100)
    assert roster.problems(101.5) == ()
    roster.hear("orders", "i1", beat("b", bye=True), 101.6, AT)
    assert len(roster) == 0, "the start that was replaced is gone with the one that replaced it"


def test_what_a_gather_needs_to_know_is_that_of_the_start_heard_last() -> None:
    roster = Roster()
    roster.hear("orders", "i1", beat("a", server="n1"), 0, AT)
    (known,) = roster
    assert known.expected(2.9) == Expected(
        key=Key("orders", "i1"), live=True, heard_at=0, last_seen=AT, server="n1", interval_s=1.0
    )
    assert not known.expected(3).live
    roster.hear("orders", "i1", beat("b"), 2, AT)
    roster.hear("orders", "i1", beat("a"), 2.5, AT)
    assert (known.expected(5.4).live, known.expected(5.4).heard_at) == (True, 2.5)


@pytest.mark.parametrize("name", ["Orders", "a.b", "", "x" * 64, "all", "a b", "a*"])
def test_illegal_names_are_not_taken_in(name: str) -> None:
    roster = Roster()
    assert not roster.hear(name, "i1", beat(), 0, AT)
    assert not roster.hear("orders", name, beat(), 0, AT)
    assert len(roster) == 0


def test_a_flood_of_names_ends_at_the_limit_and_is_told() -> None:
    roster = Roster(most=100, most_per_service=10)
    roster.hear("payments", "p1", beat(), 0, AT)
    for number in range(1000):
        roster.hear("orders", f"i{number}", beat(), 0, AT)
    assert len(roster) == 11, "one service cannot crowd out the others"
    (problem,) = roster.problems(0)
    assert "990 heartbeats of new instances of orders" in problem
    for number in range(1000):
        roster.hear(f"service-{number}", "i1", beat(), 0, AT)
    assert len(roster) == 100
    assert len(roster.problems(0)) <= 100


def test_what_a_heartbeat_says_is_kept_within_bounds() -> None:
    roster = Roster()
    swollen = beat("b" * 10_000, labels={"k" * 5000: "v"}, kinds=("k" * 500,) * 500, host="h" * 5000)
    roster.hear("orders", "i1", swollen, 0, AT)
    roster.hear("orders", "i1", swollen, 1, AT)
    (known,) = roster
    assert known.beat.labels == {}
    assert known.labels_problem.startswith("label 'kkk")
    assert len(known.labels_problem) < 300
    assert len(known.beat.kinds) == 64
    assert max(map(len, known.beat.kinds)) == 63
    assert (len(known.beat.host), len(known.beat.boot), len(known.boots)) == (255, 255, 1)


def test_labels_are_taken_whole_or_not_at_all_and_again_once_they_are_right() -> None:
    roster = Roster()
    for labels, kept in (
        ({"zone": "a"}, {"zone": "a"}),
        ({"zone": "a b", "tier": "1"}, {}),
        ({str(number): "x" for number in range(33)}, {}),
        ({"tier": "1"}, {"tier": "1"}),
    ):
        roster.hear("orders", "i1", beat(labels=labels), 0, AT)
        (known,) = roster
        assert (known.labels, bool(known.labels_problem)) == (kept, not kept)
        assert len(roster.problems(0)) == (0 if kept else 1)
    assert roster.problems(0) == ()


def test_changing_boots_do_not_pile_up() -> None:
    roster = Roster()
    for number in range(100):
        roster.hear("orders", "i1", beat(f"b{number}"), number / 1000, AT)
    (known,) = roster
    assert len(known.boots) <= 4


def test_the_kinds_are_those_of_the_known_at_any_moment() -> None:
    roster = Roster()
    assert roster.kinds() == set()
    roster.hear("orders", "i1", beat(kinds=("health",)), 0, AT)
    assert roster.kinds() == {"health"}
    roster.hear("orders", "i1", beat(kinds=("health", "logs")), 1, AT)
    roster.hear("orders", "i2", beat(kinds=("profile",)), 1, AT)
    assert roster.kinds() == {"health", "logs", "profile"}
    roster.hear("orders", "i2", beat(bye=True), 2, AT)
    assert roster.kinds() == {"health", "logs"}
    assert not next(iter(roster)).live(100)
    assert roster.kinds() == {"health", "logs"}, "what the lost answered is still asked for, to name them"


INSTANCES, BOOTS = ("i1", "i2"), ("a", "b", "c")
FORGET_AFTER_S = 10.0


class RosterMachine(RuleBasedStateMachine):
    """The roster against a model that keeps the whole history and computes everything afresh."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.roster = Roster(forget_after_s=FORGET_AFTER_S)
        # Per instance and start: first and last beat since the instance was last removed.
        self.seen: dict[str, dict[str, tuple[float, float]]] = {}

    @rule(instance=st.sampled_from(INSTANCES), boot=st.sampled_from(BOOTS))
    def hear(self, instance: str, boot: str) -> None:
        self.roster.hear("orders", instance, beat(boot), self.now, AT)
        boots = self.seen.setdefault(instance, {})
        alive = self._alive(boots)
        first = boots[boot][0] if boot in boots else self.now
        self.seen[instance] = alive | {boot: (first, self.now)}

    @rule(instance=st.sampled_from(INSTANCES), boot=st.sampled_from(BOOTS))
    def bye(self, instance: str, boot: str) -> None:
        self.roster.hear("orders", instance, beat(boot, bye=True), self.now, AT)
        boots = self.seen.get(instance, {})
        if boot in boots:
            began = boots[boot][0]
            left = {name: when for name, when in boots.items() if name != boot and when[1] > began}
            self.seen[instance] = left

    @rule(seconds=st.sampled_from((0.1, 0.9, 2.0, 3.0, 11.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def sweep(self) -> None:
        self.roster.sweep(self.now)
        for boots in self.seen.values():
            if boots and self.now - max(last for _, last in boots.values()) >= FORGET_AFTER_S:
                boots.clear()

    @rule(instance=st.sampled_from(("", *INSTANCES)))
    def forget(self, instance: str) -> None:
        gone, kept = self.roster.forget("orders", instance, self.now)
        meant = {one for one, boots in self.seen.items() if boots and instance in ("", one)}
        alive = {one for one in meant if self._alive(self.seen[one])}
        assert {key.instance for key in kept} == alive
        assert {key.instance for key in gone} == meant - alive
        for one in meant - alive:
            self.seen[one].clear()

    def _alive(self, boots: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        return {name: when for name, when in boots.items() if self.now - when[1] < 3.0}

    @invariant()
    def same_as_the_model(self) -> None:
        known = {one.key.instance: one for one in self.roster}
        assert set(known) == {instance for instance, boots in self.seen.items() if boots}
        assert len(self.roster) == len(known)
        for instance, one in known.items():
            boots = self.seen[instance]
            assert one.live(self.now) == bool(self._alive(boots))
            assert one.heard_at == max(last for _, last in boots.values())


RosterMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestRosterMachine = RosterMachine.TestCase
