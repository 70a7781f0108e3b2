"""races: the latest first, as many as fit, and 501 with what to do where nothing can be reported."""

from datetime import timedelta

import msgspec
import pytest

from diagmesh.contract.answers.races import Race, Races, RacesQuestion
from diagmesh.contract.answers.stacks import Frame
from diagmesh.contract.codec import encode
from diagmesh.contract.wire import ANSWER_LIMIT_BYTES, Detail
from diagmesh.errors import Unavailable
from diagmesh.testing import FakeRaces, FakeTarget
from diagmesh_agents.races import races
from support.racing import RACE, RACES
from support.replies import NOW


async def ask(known: Races, question: RacesQuestion = RacesQuestion()) -> Races:  # noqa: B008  frozen
    answer = await races.look(question, FakeTarget(races=FakeRaces(known)))
    assert isinstance(answer, Races)
    return answer


def many(count: int, **fields: object) -> Races:
    found = tuple(
        msgspec.structs.replace(RACE, id=f"{number:012}", last_seen=NOW - timedelta(seconds=number), **fields)
        for number in range(count)
    )
    return msgspec.structs.replace(RACES, distinct=count, reports=4 * count, races=found[::-1])


async def test_the_latest_come_first_and_what_is_left_out_is_counted() -> None:
    answer = await ask(many(60))
    assert [race.id for race in answer.races] == [f"{number:012}" for number in range(50)]
    assert (answer.distinct, answer.left_out) == (60, 10)
    answer = await ask(many(60), RacesQuestion(limit=3))
    assert (len(answer.races), answer.left_out) == (3, 57)


async def test_one_whose_time_is_not_known_is_told_too() -> None:
    untimed = msgspec.structs.replace(RACE, id="x", first_seen=None, last_seen=None)
    answer = await ask(msgspec.structs.replace(RACES, races=(untimed, untimed, RACE)))
    assert [race.id for race in answer.races] == [RACE.id, "x", "x"]


async def test_races_about_a_function_can_be_asked_for() -> None:
    other = msgspec.structs.replace(RACE, id="other", accesses=())
    known = msgspec.structs.replace(RACES, races=(other, RACE))
    answer = await ask(known, RacesQuestion(function="(*Store).Put"))
    assert [race.id for race in answer.races] == [RACE.id]
    assert answer.left_out == 0


async def test_brief_tells_the_innermost_frames_only() -> None:
    answer = await ask(RACES, RacesQuestion(detail=Detail.BRIEF))
    access = answer.races[0].accesses[0]
    assert (len(access.frames), access.frames_left_out, access.own) == (1, 1, RACE.accesses[0].own)


async def test_an_answer_always_fits_into_one_message() -> None:
    deep = tuple(Frame(function="f" * 500, file="g" * 500, line=number) for number in range(32))
    accesses = tuple(msgspec.structs.replace(one, frames=deep) for one in RACE.accesses)
    answer = await ask(many(100, accesses=accesses), RacesQuestion(limit=1000))
    assert answer.left_out > 50
    assert answer.races
    assert len(encode(answer)) < ANSWER_LIMIT_BYTES


async def test_where_nothing_can_be_reported_it_says_so() -> None:
    with pytest.raises(Unavailable) as caught:
        await races.look(RacesQuestion(), FakeTarget())
    assert caught.value.code == 501


def test_races_of_many_are_one_answer() -> None:
    other = msgspec.structs.replace(RACES, races=(RACE, Race(id="b", accesses=(), count=1)), distinct=2, reports=5)
    told = Races.as_one([("orders/i1", RACES), ("orders/i2", other)])
    assert told is not None
    assert [(race.id, race.instances) for race in told.races] == [
        (RACE.id, {"orders/i1": 4, "orders/i2": 4}),
        ("b", {"orders/i2": 1}),
    ]
    assert (told.distinct, told.reports, told.detector) == (2, 9, RACES.detector)
    assert Races.as_one([]) is None, "nobody told is not the same as no race"
