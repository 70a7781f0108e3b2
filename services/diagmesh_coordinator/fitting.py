"""A sum that fits into one message: what is listed is cut, what is counted never; and it says what is left out."""

import sys
from typing import Final, TypeVar

import msgspec

from diagmesh.contract.codec import encode
from diagmesh.contract.findings import Finding
from diagmesh.contract.mesh import Field, MeshAnswer

__all__ = ["fitted"]

T = TypeVar("T")

_LONGEST_LISTS: Final = (sys.maxsize, 500, 50, 5, 0)
"""Tried one after the other; the first of them leaves out nothing but the single replies."""


def fitted(total: MeshAnswer, limit_bytes: int) -> MeshAnswer:
    """The sum with as much of its lists as there is room for, and a note on what is missing.

    Args:
        total: the sum; the counts in it are never changed.
        limit_bytes: the most that it may have as JSON.
    """
    if len(encode(total)) <= limit_bytes:
        return total
    for longest in _LONGEST_LISTS:
        cut = _Cut(longest).sum(total)
        if len(encode(cut)) <= limit_bytes:
            return cut
    return _Cut(0).sum(total, fields=False)


class _Cut:
    """One attempt with lists of a certain length."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._left_out: list[str] = []

    def sum(self, total: MeshAnswer, *, fields: bool = True) -> MeshAnswer:
        """The sum, with a note on what was left out."""
        if total.each is not None:
            self._left_out.append("the single replies")
        cut = msgspec.structs.replace(
            total,
            each=None,
            silent=self._first(total.silent, "silent"),
            unexpected=self._first(total.unexpected, "unexpected"),
            findings=self._findings(total.findings),
            fields={name: self._field(name, field) for name, field in total.fields.items()} if fields else {},
            notes=self._first(total.notes, "notes"),
        )
        if not fields and total.fields:
            self._left_out.append(f"all {len(total.fields)} fields")
        if not self._left_out:
            return cut
        return msgspec.structs.replace(
            cut, notes=(*cut.notes, f"left out to fit into one message: {'; '.join(self._left_out)}")
        )

    def _first(self, values: tuple[T, ...], what: str) -> tuple[T, ...]:
        if len(values) > self._longest:
            self._left_out.append(f"{len(values) - self._longest} of {len(values)} {what}")
        return values[: self._longest]

    def _findings(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        kept = self._first(findings, "findings")
        for what in ("instances", "evidence"):
            named = sum(len(getattr(one, what)) for one in kept)
            kept = tuple(msgspec.structs.replace(one, **{what: getattr(one, what)[: self._longest]}) for one in kept)
            if lost := named - sum(len(getattr(one, what)) for one in kept):
                self._left_out.append(f"{lost} of {named} {what} of findings")
        return kept

    def _field(self, name: str, field: Field) -> Field:
        return msgspec.structs.replace(field, worst_at=self._first(field.worst_at, f"places of {name}"))
