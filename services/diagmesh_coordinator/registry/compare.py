"""One value in the bucket beside one instance in the directory: are they the same, and which of them is newer. Pure."""

from datetime import datetime
from typing import NamedTuple

from diagmesh.roster import Known
from diagmesh_coordinator.registry.records import VERSION, MemberRecord, Record, State

__all__ = ["Stored", "Wanted", "differs", "heard_since", "record_of"]


class Stored(NamedTuple):
    """A value in the bucket; no record where it cannot be read.

    Args:
        record: what it says.
        revision: of that value.
        known_at: when we read or wrote it, monotonic seconds.
        foreign: whether it is of a version that is not ours to replace.
    """

    record: Record | None
    revision: int
    known_at: float
    foreign: bool = False


class Wanted(NamedTuple):
    """A value that should be in the bucket, in place of the one of revision ``last``."""

    key: str
    record: Record
    last: int


def heard_since(known: Known, end: MemberRecord, now: float) -> bool:
    """Whether it was heard after the end that somebody else wrote down; told by its own count, not by clocks."""
    if known.presumed_until is not None or not known.live(now):
        return False
    return known.beat.boot != end.boot or known.beat.n > end.n


def differs(known: Known, record: MemberRecord) -> bool:
    """Whether it says something else of itself than its record, times apart."""
    beat = known.beat
    mine = (beat.boot, beat.host, beat.server, beat.version, beat.interval_s)
    if mine != (record.boot, record.host, record.server, record.version, record.interval_s):
        return True
    return not record.cut and (beat.kinds != record.kinds or beat.labels != record.labels)


def record_of(known: Known, observed: datetime, *, state: State, by: str = "") -> MemberRecord:
    """What is to be written of an instance."""
    beat = known.beat
    return MemberRecord(
        v=VERSION,
        state=state,
        observed=observed,
        last_seen=known.last_seen,
        boot=beat.boot,
        n=min(max(0, beat.n), 2**63 - 1),
        interval_s=beat.interval_s,
        server=beat.server,
        host=beat.host,
        version=beat.version,
        kinds=beat.kinds,
        labels=beat.labels,
        by=by[:255],
    )
