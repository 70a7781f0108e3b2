"""profile-unlike-siblings: one replica spends CPU or keeps memory in a function in which its siblings do not."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Final, NamedTuple

from diagmesh.contract.answers.profile import Counted, Profile, Row
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh_rules._profiles import facts, part, place
from diagmesh_rules._words import number, size

__all__ = ["UnlikeLimits", "profile_unlike_siblings"]


class UnlikeLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is unlike: more than the median of the others by this much, and so many times as much.

    Args:
        heap_bytes: in use, by what one function allocated.
        cpu_cores: spent by one function.
        times: so many times what the others have.
        hot_cores: from here on, with ``hot_share``, PROF-001 tells it.
        hot_share: of the CPU of the process.
    """

    heap_bytes: int = 32 << 20
    cpu_cores: float = 0.25
    times: float = 3.0
    hot_cores: float = 0.5
    hot_share: float = 0.6


class _Measure(NamedTuple):
    """What is compared."""

    kind: str
    sample: str
    unit: str
    does: str
    least: Callable[[UnlikeLimits], float]
    value: Callable[[Row, Counted], float]
    words: Callable[[float], str]


def _cores(row: Row, cpu: Counted) -> float:
    return row.flat_share * (cpu.per_s or 0.0)


_MEASURES: Final = (
    _Measure("heap", "inuse_space", "bytes", "keeps", lambda it: it.heap_bytes, lambda row, _: float(row.flat), size),
    _Measure("cpu", "cpu", "cores", "uses", lambda it: it.cpu_cores, _cores, lambda cores: f"{number(cores, 2)} cores"),
)
_ROWS: Final = 10
"""So many are told unless somebody asks for more."""
Group = Sequence[tuple[Key, Counted]]


@rule(
    "PROF-004",
    "Profile is unlike that of its siblings",
    severity=Severity.WARNING,
    issue=FindingClass.PERFORMANCE_DEGRADATION,
    reads=(Profile,),
    limits=UnlikeLimits(),
    over_many=True,
    costly=True,
)
def profile_unlike_siblings(seen: Evidence, limits: UnlikeLimits) -> Iterator[Hit | Unjudged]:
    """No replica spends much CPU, or keeps much memory, in a function in which its siblings do not."""
    for _, everybody in seen.siblings(Profile):
        found: dict[Key, list[tuple[str, tuple[Fact, ...]]]] = {}
        for measure in _MEASURES:
            group = [(key, one) for key, answer in everybody if (one := part(answer, measure.kind, measure.sample))]
            for key, words, evidence in _unlike(measure, group, limits):
                found.setdefault(key, []).append((words, evidence))
        for key, answer in everybody:
            if key in found:
                titles = "; ".join(words for words, _ in found[key])
                yield Hit(where=key, title=titles, evidence=tuple(fact for _, each in found[key] for fact in each))
            elif not answer.counted or any(part(answer, one.kind, one.sample) is None for one in _MEASURES):
                yield Unjudged(where=key, why="heap and CPU were not both looked at")


def _unlike(measure: _Measure, group: Group, limits: UnlikeLimits) -> Iterator[tuple[Key, str, tuple[Fact, ...]]]:
    if len(group) < 2:
        return
    for key, counted in group:
        others = [one for other, one in group if other != key]
        for row in counted.blamed[:3]:
            mine = measure.value(row, counted)
            usual = median(_of(measure, one, row.function) for one in others)
            if mine - usual < measure.least(limits) or mine < limits.times * usual or _told(measure, row, mine, limits):
                continue
            many = f"its siblings {measure.words(usual)} (median of {len(others)})"
            siblings = many if len(others) > 1 else f"its sibling {measure.words(usual)}"
            what = f"{measure.sample} of the function (siblings: {measure.words(usual)})"
            fact = Fact(what=what, value=round(mine, 3), unit=measure.unit)
            yield key, f"{place(row)} {measure.does} {measure.words(mine)}, {siblings}", (fact, *facts(row, counted))
            break


def _of(measure: _Measure, counted: Counted, function: str) -> float:
    """What a function comes to in another replica; one that is not told has at most what the last one told has."""
    for row in counted.blamed:
        if row.function == function:
            return measure.value(row, counted)
    return measure.value(counted.blamed[-1], counted) if len(counted.blamed) >= _ROWS else 0.0


def _told(measure: _Measure, row: Row, mine: float, limits: UnlikeLimits) -> bool:
    """Whether PROF-001 tells it."""
    return measure.kind == "cpu" and mine >= limits.hot_cores and row.flat_share >= limits.hot_share
