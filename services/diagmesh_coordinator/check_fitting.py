"""A check that fits into one message: whom a rule could judge is told last, what was found is kept longest."""

import msgspec

from diagmesh.contract.coding import coded
from diagmesh.contract.verdicts import Check
from diagmesh_coordinator.fitting import LONGEST_LISTS, Cut

__all__ = ["fitted_check"]


def fitted_check(check: Check, limit_bytes: int, *, msgpack: bool = False) -> Check:
    """The check with as much of its lists as there is room for, and a note on what is missing.

    Args:
        check: all of it.
        limit_bytes: the most that it may have in the coding that is sent.
        msgpack: whether that is MessagePack, not JSON.
    """
    if len(coded(check, msgpack=msgpack)) <= limit_bytes:
        return check
    for judged in LONGEST_LISTS[1:]:
        cut = _cut(check, judged, LONGEST_LISTS[0])
        if len(coded(cut, msgpack=msgpack)) <= limit_bytes:
            return cut
    for longest in LONGEST_LISTS[1:-1]:
        cut = _cut(check, 0, longest)
        if len(coded(cut, msgpack=msgpack)) <= limit_bytes:
            return cut
    return _cut(check, 0, 0)


def _cut(check: Check, judged: int, longest: int) -> Check:
    """One attempt: so many of the names of the judged, so many of everything else."""
    names, rest = Cut(judged), Cut(longest)
    # One who was silent or not judged is always named: an empty list would say that nobody was.
    silent, unjudged = Cut(max(1, longest)), Cut(max(1, min(judged, longest)))
    verdicts = unjudged.inner(names.inner(check.verdicts, "judged", "verdicts"), "not_judged", "verdicts")
    return msgspec.structs.replace(
        check,
        verdicts=verdicts,
        findings=rest.findings(check.findings),
        suppressed=rest.inner(rest.first(check.suppressed, "suppressed"), "instances", "what is suppressed"),
        silent=silent.first(check.silent, "silent"),
        not_asked=silent.first(check.not_asked, "not asked"),
        notes=(*rest.first(check.notes, "notes"), *names.note(unjudged, silent, rest)),
    )
