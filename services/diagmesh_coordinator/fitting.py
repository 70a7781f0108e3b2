"""A sum that fits into one message: what is listed is cut, what is counted never; and it says what is left out."""

import sys
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET

from diagmesh.contract.coding import coded
from diagmesh.contract.findings import Finding
from diagmesh.contract.mesh import Field, MeshAnswer

__all__ = ["LONGEST_LISTS", "Cut", "fitted"]

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

LONGEST_LISTS: Final = (sys.maxsize, 500, 50, 5, 0)
"""Tried one after the other; the first of them leaves out nothing but the single replies."""


def fitted(total: MeshAnswer, limit_bytes: int, *, msgpack: bool = False) -> MeshAnswer:
    """The sum with as much of its lists as there is room for, and a note on what is missing.

    Args:
        total: the sum; the counts in it are never changed.
        limit_bytes: the most that it may have in the coding that is sent.
        msgpack: whether that is MessagePack, not JSON.
    """
    if len(coded(total, msgpack=msgpack)) <= limit_bytes:
        return total
    for longest in LONGEST_LISTS:
        cut = Cut(longest).sum(total)
        if len(coded(cut, msgpack=msgpack)) <= limit_bytes:
            return cut
    return Cut(0).sum(total, fields=False)


class Cut:
    """One attempt with lists of a certain length."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._left_out: list[str] = []

    def sum(self, total: MeshAnswer, *, fields: bool = True) -> MeshAnswer:
        """The sum, with a note on what was left out."""
        if total.each is not None:
            self._left_out.append("the single replies")
        if total.merged is not UNSET and self._longest < sys.maxsize:
            self._left_out.append("the merged answer")
        cut = msgspec.structs.replace(
            total,
            each=None,
            merged=total.merged if self._longest == sys.maxsize else UNSET,
            silent=self.first(total.silent, "silent"),
            not_asked=self.first(total.not_asked, "not asked"),
            unexpected=self.first(total.unexpected, "unexpected"),
            findings=self.findings(total.findings),
            fields={name: self._field(name, field) for name, field in total.fields.items()} if fields else {},
            notes=self.first(total.notes, "notes"),
        )
        if not fields and total.fields:
            self._left_out.append(f"all {len(total.fields)} fields")
        return msgspec.structs.replace(cut, notes=(*cut.notes, *self.note()))

    def note(self, *others: "Cut") -> tuple[str, ...]:
        """What was left out so far, by the others, too, as one note; none when nothing was."""
        left_out = [one for cut in (self, *others) for one in cut._left_out]
        return (f"left out to fit into one message: {'; '.join(left_out)}",) if left_out else ()

    def first(self, values: tuple[T, ...], what: str) -> tuple[T, ...]:
        """The first of a list."""
        if len(values) > self._longest:
            self._left_out.append(f"{len(values) - self._longest} of {len(values)} {what}")
        return values[: self._longest]

    def findings(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """The first findings, each with the first of its instances and facts."""
        kept = self.first(findings, "findings")
        return self.inner(self.inner(kept, "instances", "findings"), "evidence", "findings")

    def inner(self, many: tuple[S, ...], field: str, what: str) -> tuple[S, ...]:
        """All of a list, each with the first of a list of its own; what is left out of them is noted as one."""
        cut = tuple(msgspec.structs.replace(one, **{field: getattr(one, field)[: self._longest]}) for one in many)
        named = sum(len(getattr(one, field)) for one in many)
        if lost := named - sum(len(getattr(one, field)) for one in cut):
            self._left_out.append(f"{lost} of {named} {field.replace('_', ' ')} of {what}")
        return cut

    def _field(self, name: str, field: Field) -> Field:
        return msgspec.structs.replace(field, worst_at=self.first(field.worst_at, f"places of {name}"))
