"""Buckets put together by how alike their stacks are, the largest first."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from diagmesh.adapters.godump.origin import first_own
from diagmesh.adapters.godump.tally import Bucket, Tally, age_of
from diagmesh.contract.answers.goroutines import Group, Level, Member
from diagmesh.contract.answers.stacks import Frame

__all__ = ["Grouped", "Site", "grouped", "sites_of"]

_AT_WORK: Final = frozenset({"running", "runnable", "idle", "syscall", ""})


class Site(msgspec.Struct, frozen=True):
    """The goroutines of one creation site: how many, how many of them wait, and where most of them are."""

    site: Frame
    goroutines: int
    waiting: int
    place: Frame | None


class Grouped(NamedTuple):
    """The groups that are told, and what is in the others."""

    groups: tuple[Group, ...]
    groups_left_out: int
    goroutines_left_out: int


def grouped(tally: Tally, level: Level, *, limit: int, members: int, frames: int) -> Grouped:
    """The goroutines by similar stack.

    Args:
        tally: of all of them.
        level: when two count as alike.
        limit: so many groups are told.
        members: so many goroutines of each.
        frames: so many frames of each; the rest counts as elided.
    """
    together: dict[object, list[Bucket]] = {}
    for bucket in tally.buckets.values():
        together.setdefault(_key(bucket, level), []).append(bucket)
    every = sorted(together.values(), key=lambda same: (-_count(same), same[0].state, _name(same[0])))
    told = tuple(_group(same, members, frames) for same in every[:limit])
    return Grouped(told, len(every) - len(told), tally.left_out + sum(_count(same) for same in every[limit:]))


def _key(bucket: Bucket, level: Level) -> object:
    stack = bucket.stack
    if level is Level.EXACT:
        return bucket.state, stack.frames, stack.created_by
    created = stack.created_by.function if stack.created_by else ""
    if level is Level.FUNCTIONS:
        return bucket.state, tuple(frame.function for frame in stack.frames), created
    return bucket.state, bucket.place.function if bucket.place else _name(bucket)


def _group(same: Sequence[Bucket], members: int, frames: int) -> Group:
    largest = max(same, key=lambda bucket: bucket.count)
    stack = largest.stack
    more = max(0, len(stack.frames) - frames)
    told = [one for bucket in same for one in bucket.members][:members]
    return Group(
        count=_count(same),
        state=largest.state,
        age=None if largest.state in _AT_WORK else age_of(bucket.minutes for bucket in same),
        frames=stack.frames[:frames],
        elided_frames=stack.elided + more if stack.elided >= 0 else stack.elided,
        place=first_own(stack.frames),
        created_by=stack.created_by,
        locked_to_thread=sum(bucket.locked for bucket in same),
        leaked=sum(bucket.leaked for bucket in same),
        stacks=len(same),
        members=tuple(
            Member(goroutine=number, waits_minutes=minutes, waits_on=f"{address:#x}" if address else "")
            for number, minutes, address in told
        ),
    )


def sites_of(tally: Tally, most: int) -> tuple[Site, ...]:
    """The creation sites with the most goroutines; of counts without these, the places where they are.

    Args:
        tally: of all of them.
        most: so many sites.
    """
    counts: Counter[Frame] = Counter()
    waiting: Counter[Frame] = Counter()
    places: dict[Frame, Counter[Frame]] = {}
    for bucket in tally.buckets.values():
        site = bucket.stack.created_by or bucket.place
        if site is None:
            continue
        counts[site] += bucket.count
        if bucket.state not in _AT_WORK:
            waiting[site] += bucket.count
        if (place := bucket.place) is not None:
            places.setdefault(site, Counter())[place] += bucket.count
    return tuple(
        Site(site, count, waiting[site], places[site].most_common(1)[0][0] if site in places else None)
        for site, count in counts.most_common(most)
    )


def _count(same: Iterable[Bucket]) -> int:
    return sum(bucket.count for bucket in same)


def _name(bucket: Bucket) -> str:
    return bucket.stack.frames[0].function if bucket.stack.frames else ""
