"""races: what the race detector of Go reported: each race once, with both accesses, how often, and when."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from diagmesh.contract.answers.races import Race, Races, RacesQuestion
from diagmesh.contract.codec import encode
from diagmesh.contract.wire import Detail
from diagmesh.declare import agent
from diagmesh.target import Target

__all__ = ["races"]

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_ROOM_BYTES: Final = 384 * 1024
"""For the races; an answer above 512 KiB would be refused to many who ask."""


@agent(budget=5.0, concurrency=4)
async def races(question: RacesQuestion, target: Target) -> Races:
    """Which data races did the race detector report, where in the code, how often and when?"""
    answer = await asyncio.to_thread(target.races.look)
    latest = sorted(answer.races, key=lambda race: race.last_seen or _LONG_AGO, reverse=True)
    meant = [race for race in latest if _about(race, question.function)]
    told = _fitting([_brief(race) if question.detail is Detail.BRIEF else race for race in meant[: question.limit]])
    return msgspec.structs.replace(answer, races=told, left_out=len(meant) - len(told))


def _about(race: Race, function: str) -> bool:
    return not function or any(function in frame.function for one in race.accesses for frame in one.frames)


def _brief(race: Race) -> Race:
    replace = msgspec.structs.replace
    return replace(
        race,
        accesses=tuple(
            replace(one, frames=one.frames[:1], frames_left_out=one.frames_left_out + len(one.frames[1:]))
            for one in race.accesses
        ),
        created=tuple(
            replace(one, frames=one.frames[:1], frames_left_out=one.frames_left_out + len(one.frames[1:]))
            for one in race.created
        ),
    )


def _fitting(races: Sequence[Race]) -> tuple[Race, ...]:
    room, told = _ROOM_BYTES, list[Race]()
    for race in races:
        room -= len(encode(race))
        if room < 0:
            break
        told.append(race)
    return tuple(told)
