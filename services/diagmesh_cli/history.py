"""What a watch has seen so far: per instance and field a bounded line of values, and why somebody gave none."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from diagmesh.aggregate import Value, measured
from diagmesh.client import Heard, answer_type_of
from diagmesh.contract.measures import Measure
from diagmesh.contract.mesh import NotAsked, Silent
from diagmesh.errors import Unreadable
from diagmesh_cli.views.table import view_of
from diagmesh_cli.views.words import whose

__all__ = ["KEPT", "History", "Look", "Series", "Watched"]

KEPT: Final = 600
"""Looks that are remembered; a terminal shows no more than it is wide."""
_MOST_INSTANCES: Final = 2000
_MOST_FIELDS: Final = 6


class Look(NamedTuple):
    """One look at them all.

    Args:
        each: the replies.
        silent: who was expected and not heard.
        not_asked: who is meant, or may be, and was not asked.
        trouble: why nobody could be asked; empty when they were.
    """

    each: Sequence[Heard[Any]] = ()
    silent: Sequence[Silent] = ()
    not_asked: Sequence[NotAsked] = ()
    trouble: str = ""


class Watched(NamedTuple):
    """One field that is watched: its path in the answer, its unit, or its verdicts best first (then it has no unit)."""

    path: str
    unit: str = ""
    verdicts: tuple[str, ...] = ()


class Series:
    """One instance over all looks.

    Args:
        where: ``service/instance``.
        looks: how many were made before it was seen first.
    """

    def __init__(self, where: str, looks: int) -> None:
        self.where: Final = where
        self.values: Final[dict[str, deque[Value]]] = {}
        self.limits: Mapping[str, float] = {}
        self.trouble = ""
        self._looks = min(looks, KEPT)

    def add(self, fields: Iterable[Watched], values: dict[str, Value], trouble: str = "") -> None:
        """One more look; what it did not give is a gap."""
        self.trouble = trouble
        for field in fields:
            line = self.values.setdefault(field.path, deque([None] * self._looks, maxlen=KEPT))
            line.append(values.get(field.path))
        self._looks = min(self._looks + 1, KEPT)

    @property
    def forgotten(self) -> bool:
        """Whether nothing of it is left to show."""
        return all(value is None for line in self.values.values() for value in line)


class History:
    """All instances of one kind over all looks.

    Args:
        kind: what is asked; its answer type says which fields there are, else the first answer does.
    """

    def __init__(self, kind: str) -> None:
        self.kind: Final = kind
        self.fields: tuple[Watched, ...] = _declared(kind)
        self.series: Final[dict[str, Series]] = {}
        self.looks = 0
        self.trouble = ""

    def add(self, look: Look) -> None:
        """Take in one more look at them all."""
        self.trouble = look.trouble
        told: dict[str, tuple[Heard[Any] | None, str]] = {
            whose(one.service, one.instance): (None, f"silent: {one.reason}") for one in look.silent
        }
        told |= {whose(one.service, one.instance): (None, f"not asked: {one.reason}") for one in look.not_asked}
        told |= {heard.where: (heard, "") for heard in look.each}
        for where in sorted(told)[:_MOST_INSTANCES]:
            self.series.setdefault(where, Series(where, self.looks))
        for where, series in list(self.series.items()):
            heard, why = told.get(where, (None, look.trouble or "gone: nobody expects it any more"))
            values, problem = self._read(heard, series) if heard is not None else ({}, why)
            series.add(self.fields, values, problem)
            if where not in told and not look.trouble and series.forgotten:
                del self.series[where]
        self.looks += 1

    def _read(self, heard: Heard[Any], series: Series) -> tuple[dict[str, Value], str]:
        """The watched fields of a reply, or what is wrong with it."""
        raw = heard.reply.answer
        if heard.problem is not None or not isinstance(raw, msgspec.Raw):
            problem = heard.problem
            return {}, f"{heard.reply.status}: {problem.detail or problem.error if problem else 'no answer'}"
        answer = answer_type_of(self.kind)
        try:
            if answer is None:
                return self._leaves(msgspec.json.decode(raw)), ""
            reader = measured(answer)
            values = {one.path: value for one, value in zip(reader.fields, reader.read(raw), strict=True)}
            series.limits = view_of(self.kind).limits(heard.answer)
        except (msgspec.DecodeError, RecursionError, Unreadable) as error:
            return {}, f"its answer cannot be read: {error}"
        return values, ""

    def _leaves(self, tree: Any) -> dict[str, Value]:
        """The numbers of an answer whose type we do not know; the first answer says which of them are watched."""
        found: dict[str, Value] = dict(_numbers(tree, ""))
        if not self.fields:
            self.fields = tuple(Watched(path) for path in list(found)[:_MOST_FIELDS])
        return found


def _declared(kind: str) -> tuple[Watched, ...]:
    """The fields that the view of the kind names; else its verdicts, then its first numbers."""
    answer = answer_type_of(kind)
    if answer is None:
        return ()
    every = {
        one.path: Watched(one.path, one.mark.unit)
        if isinstance(one.mark, Measure)
        else Watched(one.path, verdicts=one.mark.best_first)
        for one in measured(answer).fields
    }
    if named := view_of(kind).watched:
        return tuple(every[path] for path in named)
    return tuple(sorted(every.values(), key=lambda one: not one.verdicts)[:_MOST_FIELDS])


def _numbers(tree: Any, above: str) -> Iterable[tuple[str, float]]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _numbers(value, f"{above}.{name}" if above else str(name))
    elif isinstance(tree, int | float) and not isinstance(tree, bool) and above:
        yield above, float(tree)
