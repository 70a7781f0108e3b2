"""A check from what was gathered: the same wherever the replies came together, in a coordinator or without one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from diagmesh.clocks import offsets_of
from diagmesh.contract.directory import InstanceState, Rival, Services
from diagmesh.contract.mesh import Ended, MeshQuestion, NotAsked, Silent
from diagmesh.contract.verdicts import Check
from diagmesh.declare import RuleSpec
from diagmesh.diagnose import Engine
from diagmesh.evidence import Evidence
from diagmesh.expected import Gathered, Key
from diagmesh.gather import Selector

__all__ = ["check_of", "kinds_of", "notes_of", "of_coordinators", "selected"]

_LEAST: Final = "health"
"""Asked when the rules read no answers: who is silent is known only when somebody was asked."""
_WORST_END_FIRST: Final = (Ended.CONNECTION_LOST, Ended.TIMEOUT, Ended.WARMING, Ended.LIMIT, Ended.COMPLETE)


def kinds_of(rules: Iterable[RuleSpec]) -> tuple[str, ...]:
    """What instances must be asked for these rules; never nothing."""
    return tuple(sorted({kind for one in rules if not one.of_coordinators for kind in one.kinds})) or (_LEAST,)


def of_coordinators(rules: Iterable[RuleSpec], selection: MeshQuestion) -> str:
    """The kind that coordinators must be asked for these rules; empty when nobody means them."""
    part = selection.services or selection.instances or selection.labels
    return "" if part else next((one.kinds[0] for one in rules if one.of_coordinators), "")


def check_of(
    engine: Engine,
    gathered: Sequence[Gathered],
    directory: Services | None,
    labels: Mapping[Key, Mapping[str, str]],
    notes: Iterable[str] = (),
    coordinators: Gathered | None = None,
) -> Check:
    """Judge what came. Thousands of answers take a while: call it in a thread where others wait.

    Args:
        engine: the rules.
        gathered: one round per kind, at least one.
        directory: who is there; None leaves the rules over it blind.
        labels: of the instances, for settings that go by them.
        notes: what limits all this.
        coordinators: what these said of themselves; None when they were not meant.
    """
    silent = _silent(gathered)
    replies = [reply for one in gathered for reply in one.replies]
    not_asked = _not_asked(gathered)
    seen = Evidence(
        replies,
        silent=silent,
        not_asked=not_asked,
        directory=directory,
        offsets=offsets_of(gathered),
        rivals=_rivals(gathered),
    )
    peers = _of_coordinators(coordinators, directory) if coordinators is not None else None
    diagnosis = engine.diagnose(seen, labels, peers)
    rounds = (*gathered, *([coordinators] if coordinators is not None else ()))
    return Check(
        findings=diagnosis.findings,
        verdicts=diagnosis.verdicts,
        suppressed=diagnosis.suppressed,
        asked=tuple(one.kind for one in rounds),
        expected=max(one.expected for one in gathered),
        silent=silent,
        not_asked=not_asked,
        ended=min((one.ended for one in rounds), key=_WORST_END_FIRST.index),
        notes=tuple(notes),
    )


def _of_coordinators(gathered: Gathered, directory: Services | None) -> Evidence:
    return Evidence(gathered.replies, silent=gathered.silent, directory=directory, rivals=gathered.rivals)


def notes_of(gathered: Iterable[Gathered], directory: Services | None) -> tuple[str, ...]:
    """What limits a check, each thing once."""
    notes: list[str] = []
    for one in gathered:
        notes += one.notes
        if one.unexpected:
            notes.append(f"{len(one.unexpected)} replies to {one.kind} were not counted: {one.unexpected[0].reason}")
    return tuple(dict.fromkeys((*notes, *(directory.problems if directory is not None else ()))))


def selected(directory: Services, selection: MeshQuestion) -> Services:
    """The part of a directory that a selection means; what is lacking belongs to nobody's selection of instances.

    Raises:
        Declined: that can be no selection.
    """
    selector = Selector(selection)
    if selector.everybody:
        return directory
    entries = []
    for entry in directory.services:
        kept = tuple(one for one in entry.instances if selector.means(Key(entry.service, one.instance), one.labels))
        if kept:
            entries.append(msgspec.structs.replace(entry, instances=kept, declared=None, lacking=0))
    listed = [one for entry in entries for one in entry.instances]
    live = sum(one.state is InstanceState.LIVE for one in listed)
    return msgspec.structs.replace(directory, services=tuple(entries), live=live, missing=len(listed) - live)


def _silent(gathered: Sequence[Gathered]) -> tuple[Silent, ...]:
    """Whoever was silent to any of the questions, once; replicas that were never seen have no names to tell apart."""
    named = {(one.service, one.instance): one for each in gathered for one in each.silent if one.instance}
    unnamed = [one for one in gathered[0].silent if not one.instance]
    return (*(named[key] for key in sorted(named)), *unnamed)


def _not_asked(gathered: Sequence[Gathered]) -> tuple[NotAsked, ...]:
    """Whoever was not asked one of the questions, once."""
    named = {(one.service, one.instance): one for each in gathered for one in each.not_asked}
    return tuple(named[key] for key in sorted(named))


def _rivals(gathered: Sequence[Gathered]) -> Mapping[Key, tuple[Rival, ...]]:
    """Whoever replied twice to any of the questions; each question was asked at one moment."""
    return {key: rivals for one in gathered for key, rivals in one.rivals.items()}
