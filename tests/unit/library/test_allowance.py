"""Room in one gather: per question for what is looked at, over all for what is kept."""

from diagmesh.expected import Expected, Key
from diagmesh.gather.allowance import NEWCOMERS, Allowance, counts_of
from diagmesh.gather.plan import Ask, Plan

KNOWN = tuple(Expected(key=Key("orders", f"i{number}")) for number in range(3))
ASKS = (Ask(service="orders"), Ask(service="payments"), Ask(service="orders", instance="i1"))


def plan(expected: tuple[Expected, ...] = KNOWN, hoped: frozenset[Key] = frozenset()) -> Plan:
    return Plan(kind="health", asks=ASKS, expected=expected, hoped=hoped)


def test_each_question_has_room_for_those_expected_and_for_newcomers() -> None:
    assert counts_of(plan()) == [3, 0, 1]
    room = Allowance(plan(), 1_000_000)
    taken = [sum(room.looks_at(token, 1) for _ in range(5000)) for token in range(3)]
    assert taken == [NEWCOMERS + 6, NEWCOMERS, NEWCOMERS]
    assert room.refused == 15_000 - sum(taken)
    room.add()
    assert room.looks_at(3, 1)


def test_bytes_are_looked_at_per_question() -> None:
    room = Allowance(plan(), 1000)
    assert [room.looks_at(0, 400) for _ in range(3)] == [True, True, False]
    assert room.looks_at(1, 1000), "another question"


def test_newcomers_have_a_quarter_of_what_is_kept() -> None:
    room = Allowance(plan(), 1000)
    assert [room.keeps(100, newcomer=True) for _ in range(3)] == [True, True, False]
    assert [room.keeps(400, newcomer=False) for _ in range(3)] == [True, True, False]
    assert room.refused == 2


def test_where_nobody_is_expected_everybody_is_one() -> None:
    assert Allowance(plan(()), 1000).keeps(1000, newcomer=True)
    assert not Allowance(plan((), frozenset({Key("orders", "i1")})), 1000).keeps(1000, newcomer=True)
