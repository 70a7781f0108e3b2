"""`diag.mesh.check`: what the rules say of the mesh, and what they could not judge."""

from enum import StrEnum

import msgspec

from diagmesh.contract.findings import Finding
from diagmesh.contract.mesh import Batch, Ended, NotAsked, PauseMs, Silent
from diagmesh.contract.selector import Labels
from diagmesh.contract.wire import Answer, Question

__all__ = ["Check", "CheckQuestion", "NotJudged", "RuleVerdict", "Suppressed", "Verdict"]


class Verdict(StrEnum):
    """What became of one rule. *Blind* is never *clear*; *broken* is our own fault and hides nothing of the rest."""

    FOUND = "found"
    CLEAR = "clear"
    BLIND = "blind"
    BROKEN = "broken"


class NotJudged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An instance that a rule could not judge.

    Args:
        instance: which.
        why: what is missing.
        again_in_s: *too young*: nothing but time is missing, ask again in so many seconds.
        not_here: there is nothing of the kind to be judged (its agent said 501, and how to give it one).
    """

    instance: str
    why: str
    again_in_s: float | None = None
    not_here: bool = False


class RuleVerdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one rule says.

    Args:
        code: of the rule; of a module of rules that could not be used, its name.
        title: of the rule.
        verdict: found wins over blind, blind over clear; broken stands alone.
        judged: the instances that it could judge.
        not_judged: those that it could not, with the reason; the too young ones last but for those where there is
            nothing to judge, which leave the others clear.
        reason: why it is broken, or why it is blind as a whole.
        again_in_s: nobody but the too young was not judged where there is something to judge; in so many seconds all of
            them can be.
    """

    code: str
    title: str
    verdict: Verdict
    judged: tuple[str, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    reason: str = ""
    again_in_s: float | None = None


class Suppressed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A finding that the settings asked not to be told: counted all the same, with the reason given there."""

    code: str
    instances: tuple[str, ...]
    why: str = ""


class CheckQuestion(Question, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Which part of the mesh to judge, and by which rules.

    Args:
        services: service names; empty for all.
        instances: ``instance`` or ``service/instance``; empty for all.
        labels: as in any question to the mesh.
        batch: as in any question to the mesh; the kinds that the rules read are then asked one after the other.
        pause_ms: between two batches.
        codes: of the rules to apply, or their families (``RES``); empty for all.
    """

    services: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    labels: Labels = {}
    batch: Batch | None = None
    pause_ms: PauseMs = 0
    codes: tuple[str, ...] = ()


class Check(Answer, frozen=True, kw_only=True, omit_defaults=False, gc=False):
    """The findings, worst first, and for each rule whom it could judge.

    Args:
        findings: what was found.
        verdicts: one per rule, and one per module of rules that could not be used.
        suppressed: what was found and is not told, by the settings.
        asked: the kinds that the rules made us ask for.
        expected: how many instances should have answered.
        silent: who did not, with the reason.
        not_asked: who was not asked at all, with the reason; nobody judged them.
        ended: why the asking ended.
        notes: what limits all this.
        settings: fingerprint of the settings of the coordinator that judged; another one may judge by others.
    """

    findings: tuple[Finding, ...] = ()
    verdicts: tuple[RuleVerdict, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    asked: tuple[str, ...] = ()
    expected: int = 0
    silent: tuple[Silent, ...] = ()
    not_asked: tuple[NotAsked, ...] = ()
    ended: Ended = Ended.COMPLETE
    notes: tuple[str, ...] = ()
    settings: str = ""
