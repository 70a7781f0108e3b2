"""What rules read of profiles: one sample type, the function whose doing it is, and where that stands."""

from collections.abc import Iterator

from diagmesh.contract.answers.profile import Counted, Profile, Row
from diagmesh.contract.findings import Fact

__all__ = ["blamed", "facts", "part", "place"]


def part(answer: Profile, kind: str, sample: str) -> Counted | None:
    """One sample type of one profile, if it was asked for and is no difference to an earlier look."""
    found = (one for one in answer.counted if (one.type, one.sample) == (kind, sample) and not one.base)
    return next(found, None)


def blamed(counted: Counted) -> Row | None:
    """Whose doing most of it is."""
    return counted.blamed[0] if counted.blamed else None


def place(row: Row) -> str:
    """The function and where it is written: ``harm.compute (running.go:52)``."""
    file = row.file.rpartition("/")[2]
    at = f" ({file}:{row.line})" if file and row.line else ""
    name = row.function.rpartition("/")[2].replace("%2e", ".") or row.name
    return f"{name}{at}"


def facts(row: Row, counted: Counted) -> Iterator[Fact]:
    """Which function it is, in full, where, and its share."""
    yield Fact(what="function", value=row.function or row.name)
    if row.file:
        yield Fact(what="at", value=f"{row.file}:{row.line}")
    yield Fact(what=f"share of {counted.sample}", value=row.flat_share, unit="share")
    if counted.over_s:
        yield Fact(what="over", value=counted.over_s, unit="s")
