"""Whom a selection means."""

from datetime import UTC, datetime
from typing import Any

import pytest

from diagmesh.contract.mesh import MeshQuestion
from diagmesh.contract.presence import Heartbeat
from diagmesh.errors import Declined
from diagmesh.expected import Key
from diagmesh.gather import Ask
from diagmesh.roster import Roster
from diagmesh_coordinator.choice import Choice, choose

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


def test_naming_a_service_twice_asks_it_once() -> None:
    assert pick(roster(), services=("orders", "orders")).asks == (Ask(service="orders"),)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"services": ("orders", "nope")}, "no such service: nope"),
        ({"instances": ("i9",)}, "no such instance in this selection: i9"),
        ({"services": ("payments",), "instances": ("i1",)}, "no such instance in this selection: i1"),
        ({"labels": {"zone": "z"}}, "nobody in this selection has all of these labels"),
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


def test_declared_replicas_that_were_never_seen_are_silent_with_a_reason() -> None:
    choice = pick(roster(orders=4, ghosts=1))
    assert [one.service for one in choice.lacking] == ["ghosts", "orders", "orders"]
    assert choice.lacking[1].reason == "not connected: 4 replicas are declared and this one was never heard of"
    assert pick(roster(orders=4), instances=("i1",)).lacking == ()
    assert len(pick(roster(orders=100_000)).lacking) == 1000
