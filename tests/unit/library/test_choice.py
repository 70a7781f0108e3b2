"""Whom a selection means."""

from datetime import UTC, datetime
from typing import Any

import pytest

from diagmesh.contract.mesh import MeshQuestion
from diagmesh.contract.presence import Heartbeat
from diagmesh.errors import Declined
from diagmesh.expected import Key
from diagmesh.gather import Ask, Choice, Lacking, Selector, choose
from diagmesh.roster import Roster

AT = datetime(2026, 11, 23, tzinfo=UTC)
NEW = Key("fresh", "f1")


def roster(**replicas: int) -> Roster:
    made = Roster(replicas=replicas)
    for service, instance, zone in (("orders", "i1", "a"), ("orders", "i2", "b"), ("payments", "p1", "a")):
        made.hear(service, instance, Heartbeat(v=1, boot="b", labels={"zone": zone}), 0, AT)
    return made


def pick(
    made: Roster, hoped: frozenset[Key] = frozenset(), *, warming: bool = False, now: float = 1, **fields: object
) -> Choice:
    return choose(made, MeshQuestion(**fields), hoped, now, warming=warming)  # type: ignore[arg-type]


def keys(choice: Choice) -> set[str]:
    return {"/".join(one.key) for one in choice.expected}


def test_nothing_selected_is_everybody_one_question_per_service() -> None:
    choice = pick(roster())
    assert keys(choice) == {"orders/i1", "orders/i2", "payments/p1"}
    assert choice.asks == (Ask(service="orders"), Ask(service="payments"))


def test_a_part_of_a_service_is_asked_one_by_one() -> None:
    choice = pick(roster(), instances=("i1",))
    assert choice.asks == (Ask(service="orders", instance="i1"),)
    assert keys(pick(roster(), instances=("orders/i2", "p1"))) == {"orders/i2", "payments/p1"}
    assert keys(pick(roster(), labels={"zone": "a"})) == {"orders/i1", "payments/p1"}
    assert keys(pick(roster(), services=("orders",), labels={"zone": "a"})) == {"orders/i1"}


def test_whoever_has_just_come_is_never_asked_what_is_meant_for_others() -> None:
    both = Ask(service="orders", instance="i1"), Ask(service="orders", instance="i2")
    assert pick(roster(), services=("orders",), labels="zone").asks == both, "not on the subject of all"
    assert pick(roster(), instances=("i1", "i2")).asks == both


def test_nobody_is_told_what_there_is() -> None:
    with pytest.raises(Declined) as caught:
        pick(roster(), labels={"zone": "z"})
    assert caught.value.hint == "zone: a, b"
    with pytest.raises(Declined) as caught:
        pick(roster(), labels="zoen")
    assert caught.value.hint == "labels: zone"


@pytest.mark.parametrize("labels", ["zone=a=b", "a b", {"zone": ()}, {"-": "a"}, {"zone": "a b"}, "zone in (a"])
def test_what_is_no_selector_is_declined_with_a_way_to_write_it(labels: Any) -> None:
    with pytest.raises(Declined) as caught:
        pick(roster(), labels=labels)
    assert caught.value.code == 400
    assert caught.value.detail.startswith("labels: ")
    assert "zone=a,tier in (1,2),!canary" in caught.value.hint


def test_whose_labels_are_not_known_is_reported_and_not_asked() -> None:
    made = roster()
    made.hear("orders", "odd", Heartbeat(v=1, boot="b", labels={"zone": "no such value"}), 0, AT)
    choice = pick(made, labels={"zone": "a"})
    assert keys(choice) == {"orders/i1", "payments/p1"}
    (odd,) = choice.not_asked
    assert (odd.service, odd.instance) == ("orders", "odd")
    assert "'zone': 'no such value' is no value" in odd.reason
    assert [one.instance for one in pick(made, labels="zone=z").not_asked] == ["odd"], "it may be meant"
    assert pick(made, services=("payments",), labels="zone").not_asked == ()
    everybody = pick(made)
    assert "orders/odd" in keys(everybody)
    assert everybody.not_asked == (), "without labels in the question they do not matter"
    assert any("the labels of orders/odd are not known" in problem for problem in made.problems(1))


def test_while_warming_nobody_without_known_labels_is_asked_by_labels() -> None:
    choice = pick(roster(), frozenset({NEW}), warming=True, labels={"zone": "a"})
    assert {ask.service for ask in choice.asks} == {"orders", "payments"}
    assert choice.hoped == frozenset()
    assert choice.notes == ("not asked, because their labels were not heard yet: fresh/f1",)
    assert pick(Roster(), frozenset({NEW}), warming=True, labels="!canary").asks == ()


def test_naming_a_service_twice_asks_it_once() -> None:
    assert pick(roster(), services=("orders", "orders")).asks == (Ask(service="orders"),)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"services": ("orders", "nope")}, "no such service: nope"),
        ({"instances": ("i9",)}, "no such instance in this selection: i9"),
        ({"services": ("payments",), "instances": ("i1",)}, "no such instance in this selection: i1"),
        ({"labels": {"zone": "z"}}, "nobody has zone=z"),
        ({"labels": {"zoen": "a"}}, "nobody has a label 'zoen'"),
        ({"labels": "zone=a,zone!=a"}, "nobody has all of these labels: zone=a, zone!=a"),
        ({"labels": "!zone"}, "nobody has all of these labels: !zone"),
        ({"services": ("payments",), "labels": {"zone": "b"}}, "nobody has zone=b"),
    ],
)
def test_a_selection_that_means_nobody_is_404(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(Declined) as caught:
        pick(roster(), **fields)
    assert (caught.value.code, caught.value.error) == (404, "unknown target")
    assert caught.value.detail == says


@pytest.mark.parametrize("name", ["a b", "*", "orders.health.all\r\nPUB x 0", "ALL"])
@pytest.mark.parametrize("warming", [True, False])
def test_what_is_no_name_never_reaches_a_subject(name: str, warming: bool) -> None:
    with pytest.raises(Declined) as caught:
        pick(roster(), services=(name,), warming=warming)
    assert caught.value.code == 400


EVERYBODY = "all instances of every service: leave services empty"


@pytest.mark.parametrize(
    ("fields", "says", "hint"),
    [
        ({"services": ("all",)}, "services: 'all' is no service", EVERYBODY),
        ({"services": ("orders", "*")}, "services: '*' is no service", EVERYBODY),
        ({"services": (">",)}, "services: '>' is no service", EVERYBODY),
        ({"services": ("",)}, "services: '' is no service", EVERYBODY),
        ({"services": ("mesh",)}, "services: 'mesh' is no service, it means the coordinators", EVERYBODY),
        (
            {"services": ("Orders",)},
            "services: 'Orders' can be no service: names are lower-case letters, digits and '-'",
            "services: orders, payments",
        ),
        ({"instances": ("all",)}, "instances: 'all' is no instance", "all instances: leave instances empty"),
        ({"instances": ("orders/*",)}, "instances: 'orders/*' is no instance", "all instances: leave instances empty"),
        (
            {"instances": ("I1",)},
            "instances: 'I1' can be no instance: names are lower-case letters, digits and '-'",
            "see diag.mesh.services",
        ),
    ],
)
@pytest.mark.parametrize("warming", [True, False])
def test_who_asks_for_everybody_is_told_how(fields: dict[str, Any], says: str, hint: str, warming: bool) -> None:
    with pytest.raises(Declined) as caught:
        pick(roster(), warming=warming, **fields)
    assert (caught.value.code, caught.value.detail, caught.value.hint) == (400, says, hint)


def test_a_name_of_any_length_is_told_short_and_printable() -> None:
    with pytest.raises(Declined) as caught:
        pick(roster(), services=("\x1b[2J" * 10_000,))
    assert len(caught.value.detail) < 200
    assert caught.value.detail.isprintable()
    with pytest.raises(Declined) as caught:
        pick(roster(), instances=("\x1b[2J" * 10_000,))
    assert caught.value.detail.isprintable()


def test_while_warming_unknown_services_are_asked_and_learned_names_hoped_for() -> None:
    choice = pick(roster(), frozenset({NEW, Key("orders", "i1")}), warming=True)
    assert Ask(service="fresh") in choice.asks
    assert choice.hoped == {NEW}, "i1 is known already"
    assert pick(roster(), warming=True, services=("nope",)).asks == (Ask(service="nope"),)
    assert pick(Roster(), frozenset({NEW}), warming=True, instances=("f1",)).asks == (
        Ask(service="fresh", instance="f1"),
    )
    assert pick(Roster(), frozenset({NEW}), warming=True, services=("orders",)).hoped == frozenset()


def test_the_lost_are_expected_but_not_live() -> None:
    assert {one.live for one in pick(roster(), now=14.9).expected} == {True}
    assert {one.live for one in pick(roster(), now=15).expected} == {False}


def test_declared_replicas_that_were_never_seen_are_lacking() -> None:
    choice = pick(roster(orders=4, ghosts=1))
    assert choice.lacking == (
        Lacking(service="ghosts", count=1, declared=1),
        Lacking(service="orders", count=2, declared=4),
    )
    assert pick(roster(orders=4), services=("payments",)).lacking == ()
    assert pick(roster(orders=4), instances=("i1",)).lacking == ()


def test_a_selection_is_by_instance_and_all_labels() -> None:
    key, labels = Key("orders", "i1"), {"zone": "a", "tier": "1"}

    def fits(**fields: Any) -> bool:
        return Selector(MeshQuestion(**fields)).means(key, labels)

    assert fits()
    assert fits(instances=("i1",), labels={"zone": "a"})
    assert fits(instances=("orders/i1", "other"), labels={"zone": "a", "tier": "1"})
    assert not fits(instances=("payments/i1",))
    assert not fits(labels={"zone": "b"})
    assert not fits(labels={"zone": "a", "missing": ""})


def test_a_choice_is_a_plan_with_everything_in_it() -> None:
    choice = pick(roster(orders=4), frozenset({NEW}), warming=True, limit=7)
    plan = choice.plan("health", b"{}", 1.5)
    assert (plan.kind, plan.body, plan.timeout_s, plan.limit, plan.warming) == ("health", b"{}", 1.5, 7, True)
    assert (plan.asks, plan.expected, plan.hoped, plan.lacking) == (
        choice.asks,
        choice.expected,
        choice.hoped,
        choice.lacking,
    )


class Counting(Roster):
    """Counts how often all names are asked for: each time they are sorted anew."""

    listed = 0

    def services(self) -> tuple[str, ...]:
        self.listed += 1
        return super().services()


@pytest.mark.parametrize("warming", [False, True])
def test_a_question_that_names_thousands_is_looked_through_once(warming: bool) -> None:
    made = Counting()
    names = tuple(f"s{number}" for number in range(8000))
    hoped = frozenset(Key(name, "i1") for name in names[:4000])
    if warming:
        assert len(pick(made, hoped, services=names, warming=True).hoped) == 4000
    else:
        with pytest.raises(Declined, match=r"no such service: s0, s1, .* and 7980 more"):
            pick(made, services=names)
    assert made.listed == 1
