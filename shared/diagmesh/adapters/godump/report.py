"""A tally as an answer: groups, what is waited on, who seems to hold it, circles."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from diagmesh.adapters.godump.grouping import Site, grouped, sites_of
from diagmesh.adapters.godump.holders import cycles_of, held_of
from diagmesh.adapters.godump.tally import Tally, WaitedOn, age_of
from diagmesh.adapters.godump.waits import LOCKS
from diagmesh.contract.answers.goroutines import Cycle, Goroutines, Group, Holder, Level, Waited

__all__ = ["Report", "Shape", "answer_of", "report_of"]

_MOST_SITES: Final = 256
_MOST_CREATORS: Final = 3


class Shape(NamedTuple):
    """How much to tell.

    Args:
        level: when two goroutines count as alike.
        groups: so many groups.
        frames: so many frames of each.
        members: so many goroutines of each.
        waited: so many objects.
        ids: so many goroutines of each.
    """

    level: Level = Level.FUNCTIONS
    groups: int = 20
    frames: int = 16
    members: int = 0
    waited: int = 20
    ids: int = 5


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a dump says; small, so that it can come from another process.

    Args:
        waiters: who waits on each of ``waited``, in its order.
        sites: where goroutines are started, those with most of them first.
    """

    total: int
    states: dict[str, int]
    groups: tuple[Group, ...]
    groups_left_out: int
    goroutines_left_out: int
    waited: tuple[Waited, ...]
    waiters: tuple[tuple[int, ...], ...]
    cycles: tuple[Cycle, ...]
    sites: tuple[Site, ...]
    waiting: int
    oldest_wait_s: int | None
    cut: str = ""


def report_of(tally: Tally, shape: Shape, cut: str = "") -> Report:
    """What the goroutines of a dump do."""
    held = held_of(tally)
    holders = {id(one.waited): tuple(holder for _, holder in one.holders) for one in held}
    every = sorted(tally.objects.values(), key=_order)
    chosen = every[: shape.waited]
    groups = grouped(tally, shape.level, limit=shape.groups, members=shape.members, frames=shape.frames)
    return Report(
        total=tally.total,
        states=dict(tally.states.most_common(64)),
        groups=groups.groups,
        groups_left_out=groups.groups_left_out,
        goroutines_left_out=groups.goroutines_left_out,
        waited=tuple(_waited(one, holders.get(id(one), ()), shape.ids) for one in chosen),
        waiters=tuple(tuple(one.ids) for one in chosen),
        cycles=cycles_of(held),
        sites=sites_of(tally, _MOST_SITES),
        waiting=sum(one.count for one in every if one.on.kind in LOCKS),
        oldest_wait_s=60 * max(max(one.minutes) for one in every) if every else None,
        cut=cut,
    )


def _order(one: WaitedOn) -> tuple[bool, int, int]:
    return one.on.kind not in LOCKS, -one.count, one.on.address


def _waited(one: WaitedOn, holders: Sequence[Holder], ids: int) -> Waited:
    bucket = one.buckets.most_common(1)[0][0]
    creators = [other.stack.created_by for other, _ in one.buckets.most_common() if other.stack.created_by is not None]
    return Waited(
        kind=one.on.kind,
        state=bucket.state,
        waiters=one.count,
        address=f"{one.on.address:#x}" if one.on.address else "",
        sure=one.on.sure or not one.on.address,
        age=age_of([one.minutes]),
        frame=bucket.place or (bucket.stack.frames[0] if bucket.stack.frames else None),
        creators=tuple(dict.fromkeys(creators))[:_MOST_CREATORS],
        holders=tuple(holders),
        goroutines=tuple(one.ids[:ids]),
    )


def answer_of(report: Report, level: Level) -> Goroutines:
    """The answer that one dump alone gives: without rates, for these need two."""
    return Goroutines(
        total=report.total,
        level=level,
        states=report.states,
        waiting=report.waiting,
        oldest_wait_s=report.oldest_wait_s,
        groups=report.groups,
        groups_left_out=report.groups_left_out,
        goroutines_left_out=report.goroutines_left_out,
        waited=report.waited,
        cycles=report.cycles,
        cut=report.cut,
    )
